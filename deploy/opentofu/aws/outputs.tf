output "cluster" {
  description = "Name of the cluster: the variable CLUSTER of the workflows"
  value       = aws_eks_cluster.this.name
}

output "registry" {
  description = "The variable REGISTRY of the workflows"
  value       = trimsuffix(aws_ecr_repository.this["ingest"].repository_url, "/ingest")
}

output "workflow_roles" {
  description = "The variable AWS_ROLE_ARN of each environment"
  value       = { for name, role in aws_iam_role.workflow : name => role.arn }
}

output "settings" {
  description = "Addresses for the values of the chart"
  value = {
    KAFKA_BOOTSTRAP_SERVERS = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
    KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
    KAFKA_SASL_MECHANISM    = "SCRAM-SHA-512"
    OBJECT_STORE_ENDPOINT   = "https://s3.${var.region}.amazonaws.com"
    OBJECT_STORE_BUCKET     = aws_s3_bucket.this["images"].bucket
    OBJECT_STORE_REGION     = var.region
    DATABASE_HOST           = aws_db_instance.primary.endpoint
    QUERY_DATABASE_HOSTS    = [for replica in aws_db_instance.replica : replica.endpoint]
  }
}

output "database_administrator" {
  description = "Secret with the password of PostgreSQL's administrator"
  value       = aws_db_instance.primary.master_user_secret[0].secret_arn
}
