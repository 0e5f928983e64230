# Once, before everything else: the bucket and the key of the state. Its own state stays in this folder; it holds
# no secret, and `tofu import` makes it again.
terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "name" {
  description = "Name of the installation"
  type        = string
  default     = "attendance"
}

variable "region" {
  description = "Where the state lies"
  type        = string
}

variable "backup_region" {
  description = "Where its copy lies"
  type        = string
}

provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "backup"
  region = var.backup_region
}

data "aws_caller_identity" "here" {}

locals {
  account = data.aws_caller_identity.here.account_id
}

# Of two regions, so that the copy can be read when the first one is away.
resource "aws_kms_key" "state" {
  description         = "State of ${var.name}"
  enable_key_rotation = true
  multi_region        = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_replica_key" "state" {
  provider        = aws.backup
  description     = "State of ${var.name}, the copy's region"
  primary_key_arn = aws_kms_key.state.arn
}

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:CloudTrail tells who read it
  #checkov:skip=CKV2_AWS_61:every version of the state is kept
  #checkov:skip=CKV2_AWS_62:nothing waits for its events
  bucket = "${var.name}-state-${local.account}"
}

resource "aws_s3_bucket" "copy" {
  #checkov:skip=CKV_AWS_18:as above
  #checkov:skip=CKV_AWS_144:it is the copy
  #checkov:skip=CKV2_AWS_61:as above
  #checkov:skip=CKV2_AWS_62:as above
  provider = aws.backup
  bucket   = "${var.name}-state-copy-${local.account}"
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_versioning" "copy" {
  provider = aws.backup
  bucket   = aws_s3_bucket.copy.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_public_access_block" "copy" {
  provider                = aws.backup
  bucket                  = aws_s3_bucket.copy.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.state.arn
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "copy" {
  provider = aws.backup
  bucket   = aws_s3_bucket.copy.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_replica_key.state.arn
    }
  }
}

resource "aws_s3_bucket_replication_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  role   = aws_iam_role.replication.arn
  rule {
    id     = "everything"
    status = "Enabled"
    filter {}
    delete_marker_replication { status = "Disabled" }
    source_selection_criteria {
      sse_kms_encrypted_objects { status = "Enabled" }
    }
    destination {
      bucket = aws_s3_bucket.copy.arn
      encryption_configuration { replica_kms_key_id = aws_kms_replica_key.state.arn }
    }
  }
  depends_on = [aws_s3_bucket_versioning.state, aws_s3_bucket_versioning.copy]
}

resource "aws_iam_role" "replication" {
  name = "${var.name}-state-replication"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "s3.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "replication" {
  role = aws_iam_role.replication.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:GetReplicationConfiguration", "s3:ListBucket"], Resource = aws_s3_bucket.state.arn },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
        Resource = "${aws_s3_bucket.state.arn}/*"
      },
      { Effect = "Allow", Action = ["s3:ReplicateObject", "s3:ReplicateTags"], Resource = "${aws_s3_bucket.copy.arn}/*" },
      { Effect = "Allow", Action = ["kms:Decrypt"], Resource = aws_kms_key.state.arn },
      { Effect = "Allow", Action = ["kms:Encrypt"], Resource = aws_kms_replica_key.state.arn },
    ]
  })
}

output "backend" {
  description = "The file state.config of the folder above"
  value       = <<-CONFIG
    bucket       = "${aws_s3_bucket.state.bucket}"
    key          = "attendance.tfstate"
    region       = "${var.region}"
    encrypt      = true
    kms_key_id   = "${aws_kms_key.state.arn}"
    use_lockfile = true
  CONFIG
}

output "state_key" {
  description = "The variable state_key"
  value       = aws_kms_key.state.arn
}
