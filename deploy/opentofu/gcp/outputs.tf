output "cluster" {
  description = "Name of the cluster: the variable CLUSTER of the workflows"
  value       = google_container_cluster.this.name
}

output "workflow_accounts" {
  description = "The variable GCP_SERVICE_ACCOUNT of each environment"
  value       = { for name, account in google_service_account.workflow : name => account.email }
}

output "workflow_provider" {
  description = "The variable GCP_PROVIDER"
  value       = google_iam_workload_identity_pool_provider.github.name
}

output "settings" {
  description = "Addresses for the values of the chart"
  value = {
    KAFKA_BOOTSTRAP_SERVERS = "bootstrap.${var.name}.${var.region}.managedkafka.${var.project}.cloud.goog:9192"
    KAFKA_SECURITY_PROTOCOL = "SSL"
    OBJECT_STORE_ENDPOINT   = "https://storage.googleapis.com"
    OBJECT_STORE_BUCKET     = google_storage_bucket.images.name
    OBJECT_STORE_REGION     = "auto"
    DATABASE_HOST           = google_sql_database_instance.primary.private_ip_address
    QUERY_DATABASE_HOSTS    = [for replica in google_sql_database_instance.replica : replica.private_ip_address]
  }
}
