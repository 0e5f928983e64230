resource "google_container_cluster" "this" {
  #checkov:skip=CKV_GCP_12:Dataplane V2 (ADVANCED_DATAPATH) enforces NetworkPolicies; the old add-on must be off beside it
  name                = var.name
  location            = var.region
  network             = google_compute_network.this.id
  subnetwork          = google_compute_subnetwork.nodes.id
  deletion_protection = true

  # Node pools of our own (below) in place of the one that comes with a cluster.
  remove_default_node_pool = true
  initial_node_count       = 1

  # Enforces NetworkPolicies; without, they would be text.
  datapath_provider           = "ADVANCED_DATAPATH"
  enable_intranode_visibility = true
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = true
    master_ipv4_cidr_block  = var.cidr.control
  }
  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.operators
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }
  master_auth {
    client_certificate_config { issue_client_certificate = false }
  }
  authenticator_groups_config { security_group = var.administrators }
  workload_identity_config { workload_pool = "${var.project}.svc.id.goog" }
  database_encryption {
    state    = "ENCRYPTED"
    key_name = google_kms_crypto_key.this["region"].id
  }
  enable_shielded_nodes = true
  binary_authorization { evaluation_mode = "PROJECT_SINGLETON_POLICY_ENFORCE" }
  release_channel { channel = "REGULAR" }
  resource_labels = { installation = var.name }

  node_config {
    service_account = google_service_account.node.email
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    workload_metadata_config { mode = "GKE_METADATA" }
    metadata = { disable-legacy-endpoints = "true" }
  }
  lifecycle { ignore_changes = [node_config] }
  depends_on = [google_kms_crypto_key_iam_member.agent]
}

locals {
  pools = merge(
    { services = { machine = var.kubernetes.machine, least = var.kubernetes.least, most = var.kubernetes.most } },
    var.gpu.most > 0 ? { gpu = { machine = var.gpu.machine, least = 0, most = var.gpu.most } } : {},
  )
}

resource "google_container_node_pool" "this" {
  for_each = local.pools
  name     = each.key
  cluster  = google_container_cluster.this.id
  autoscaling {
    min_node_count = each.value.least
    max_node_count = each.value.most
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }
  node_config {
    machine_type      = each.value.machine
    disk_size_gb      = 80
    boot_disk_kms_key = google_kms_crypto_key.this["region"].id
    service_account   = google_service_account.node.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    metadata          = { disable-legacy-endpoints = "true" }
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    # values-gpu of the chart looks for it.
    labels = each.key == "gpu" ? { "nvidia.com/gpu.present" = "true" } : {}
    # No pod reads the credentials of its node.
    workload_metadata_config { mode = "GKE_METADATA" }
    dynamic "guest_accelerator" {
      for_each = each.key == "gpu" ? [1] : []
      content {
        type  = var.gpu.kind
        count = 1
        gpu_driver_installation_config { gpu_driver_version = "DEFAULT" }
      }
    }
    dynamic "taint" {
      for_each = each.key == "gpu" ? [1] : []
      content {
        key    = "nvidia.com/gpu"
        value  = "present"
        effect = "NO_SCHEDULE"
      }
    }
  }
}

resource "google_service_account" "node" {
  account_id   = "${var.name}-node"
  display_name = "Nodes of ${var.name}: they write logs and pull images"
}

resource "google_project_iam_member" "node" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.key
  member   = "serviceAccount:${google_service_account.node.email}"
}
