terraform {
  required_version = ">= 1.10"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # tofu init -backend-config=state.config; the folder state/ makes the bucket and the key.
  backend "gcs" {}

  # The state holds passwords, so it is never written in plain, wherever it lies.
  encryption {
    key_provider "gcp_kms" "state" {
      kms_encryption_key = var.state_key
      key_length         = 32
    }
    method "aes_gcm" "state" {
      keys = key_provider.gcp_kms.state
    }
    state {
      method   = method.aes_gcm.state
      enforced = true
    }
    plan {
      method   = method.aes_gcm.state
      enforced = true
    }
  }
}

provider "google" {
  project        = var.project
  region         = var.region
  default_labels = { installation = var.name }
}

data "google_project" "this" {}

locals {
  # The one file of permissions: who reads and writes which part of which bucket, and so on.
  identities = yamldecode(file("${path.module}/../../access.yaml")).identities
}
