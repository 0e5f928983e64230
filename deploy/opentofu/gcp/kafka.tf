# Topics are made by `attendance-schemas apply`, rules by `attendance-deploy access`. Clients show certificates
# of the pool below; the name in a certificate is the name in Kafka, as in access.yaml.
resource "google_managed_kafka_cluster" "this" {
  cluster_id = var.name
  location   = var.region
  capacity_config {
    vcpu_count   = var.kafka.cpus
    memory_bytes = var.kafka.memory * 1073741824
  }
  gcp_config {
    access_config {
      network_configs { subnet = google_compute_subnetwork.nodes.id }
    }
    kms_key = google_kms_crypto_key.this["region"].id
  }
  tls_config {
    trust_config {
      cas_configs { ca_pool = google_privateca_ca_pool.clients.id }
    }
    ssl_principal_mapping_rules = "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT"
  }
  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_privateca_ca_pool" "clients" {
  name     = var.name
  location = var.region
  tier     = "DEVOPS"
  publishing_options {
    publish_ca_cert = true
    publish_crl     = false
  }
}

resource "google_privateca_certificate_authority" "clients" {
  pool                     = google_privateca_ca_pool.clients.name
  certificate_authority_id = var.name
  location                 = var.region
  deletion_protection      = true
  lifetime                 = "315360000s" # ten years
  config {
    subject_config {
      subject {
        organization = var.name
        common_name  = "${var.name} clients"
      }
    }
    x509_config {
      ca_options { is_ca = true }
      key_usage {
        base_key_usage {
          cert_sign = true
          crl_sign  = true
        }
        extended_key_usage {}
      }
    }
  }
  key_spec { algorithm = "EC_P256_SHA256" }
}
