# One key for what lies in this region, one for the copies. Its use is decided by IAM, for each identity.
data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:the policy of a key: its account administers it, and IAM says who in the account may
  #checkov:skip=CKV_AWS_111:as above
  #checkov:skip=CKV_AWS_356:in the policy of a key, * is that key
  statement {
    sid       = "TheAccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = [local.root]
    }
  }
  statement {
    sid       = "LogsAreEncrypted"
    actions   = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:aws:logs:${var.region}:${local.account}:log-group:*${var.name}*"]
    }
  }
}

resource "aws_kms_key" "data" {
  description         = "Data of ${var.name}"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "data" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_kms_key" "copies" {
  provider            = aws.backup
  description         = "Copies of ${var.name}"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}
