# Images and what was accepted; weights of models; archived topics. Nothing public, nothing unencrypted, nothing over plain HTTP.
locals {
  buckets = toset(["images", "models", "archive"])
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:images are replicated (below); weights come from their makers; the archive is beside Kafka's own copies
  #checkov:skip=CKV_AWS_18:data events of CloudTrail tell who read an image; an account has one trail, not one an installation
  #checkov:skip=CKV2_AWS_62:nothing waits for events of the bucket: Kafka tells what came
  for_each = local.buckets
  bucket   = "${var.name}-${each.key}-${local.account}"
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  policy   = data.aws_iam_policy_document.bucket[each.key].json
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.buckets
  statement {
    sid       = "OnlyOverTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  # Who says nothing gets the bucket's own encryption by our key; who asks for another is refused.
  statement {
    sid       = "NoOtherEncryption"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.this[each.key].arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringNotEquals"
      variable = "s3:x-amz-server-side-encryption"
      values   = ["aws:kms"]
    }
    condition {
      test     = "Null"
      variable = "s3:x-amz-server-side-encryption"
      values   = ["false"]
    }
  }
}

# Photos of enrolments and what was accepted stay: models are enrolled from them again, and resends repeat it.
# An erased object must be gone within days, so old versions are.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    id     = "what-was-deleted-goes"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration { noncurrent_days = 7 }
    abort_incomplete_multipart_upload { days_after_initiation = 1 }
  }
  dynamic "rule" {
    for_each = each.key == "images" ? [1] : []
    content {
      id     = "captures-become-cold-and-go"
      status = "Enabled"
      filter { prefix = "captures/" }
      transition {
        days          = var.images.cold_days
        storage_class = "GLACIER_IR"
      }
      expiration { days = var.images.keep_days }
      abort_incomplete_multipart_upload { days_after_initiation = 1 }
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

# The copy of the images in the second region; deletions are copied, too.
resource "aws_s3_bucket" "copy" {
  #checkov:skip=CKV_AWS_144:it is the copy
  #checkov:skip=CKV_AWS_18:as above
  #checkov:skip=CKV2_AWS_62:as above
  provider = aws.backup
  bucket   = "${var.name}-images-copy-${local.account}"
}

resource "aws_s3_bucket_public_access_block" "copy" {
  provider                = aws.backup
  bucket                  = aws_s3_bucket.copy.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "copy" {
  provider = aws.backup
  bucket   = aws_s3_bucket.copy.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.copies.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "copy" {
  provider = aws.backup
  bucket   = aws_s3_bucket.copy.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_lifecycle_configuration" "copy" {
  provider = aws.backup
  bucket   = aws_s3_bucket.copy.id
  rule {
    id     = "what-was-deleted-goes"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration { noncurrent_days = 7 }
    abort_incomplete_multipart_upload { days_after_initiation = 1 }
  }
  rule {
    id     = "captures-go"
    status = "Enabled"
    filter { prefix = "captures/" }
    expiration { days = var.images.keep_days }
  }
  depends_on = [aws_s3_bucket_versioning.copy]
}

resource "aws_s3_bucket_replication_configuration" "this" {
  bucket = aws_s3_bucket.this["images"].id
  role   = aws_iam_role.replication.arn
  rule {
    id     = "everything"
    status = "Enabled"
    filter {}
    delete_marker_replication { status = "Enabled" }
    source_selection_criteria {
      sse_kms_encrypted_objects { status = "Enabled" }
    }
    destination {
      bucket        = aws_s3_bucket.copy.arn
      storage_class = "GLACIER_IR"
      encryption_configuration { replica_kms_key_id = aws_kms_key.copies.arn }
    }
  }
  depends_on = [aws_s3_bucket_versioning.this, aws_s3_bucket_versioning.copy]
}

resource "aws_iam_role" "replication" {
  name               = "${var.name}-replication"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["s3"].json
}

resource "aws_iam_role_policy" "replication" {
  role   = aws_iam_role.replication.id
  policy = data.aws_iam_policy_document.replication.json
}

data "aws_iam_policy_document" "replication" {
  statement {
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [aws_s3_bucket.this["images"].arn]
  }
  statement {
    actions   = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
    resources = ["${aws_s3_bucket.this["images"].arn}/*"]
  }
  statement {
    actions   = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
    resources = ["${aws_s3_bucket.copy.arn}/*"]
  }
  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.data.arn]
  }
  statement {
    actions   = ["kms:Encrypt"]
    resources = [aws_kms_key.copies.arn]
  }
}
