terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # tofu init -backend-config=state.config; the folder state/ makes the bucket and the key.
  backend "s3" {}

  # The state holds passwords, so it is never written in plain, wherever it lies.
  encryption {
    key_provider "aws_kms" "state" {
      kms_key_id = var.state_key
      region     = var.region
      key_spec   = "AES_256"
    }
    method "aes_gcm" "state" {
      keys = key_provider.aws_kms.state
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

provider "aws" {
  region = var.region
  default_tags { tags = { installation = var.name } }
}

# A second region: copies of images, of database backups and of secrets.
provider "aws" {
  alias  = "backup"
  region = var.backup_region
  default_tags { tags = { installation = var.name } }
}

data "aws_caller_identity" "here" {}

locals {
  account = data.aws_caller_identity.here.account_id
  # The one file of permissions: who reads and writes which part of which bucket, and so on.
  identities = yamldecode(file("${path.module}/../../access.yaml")).identities
  root       = "arn:aws:iam::${local.account}:root"
}
