# The object store's identities are keys: services sign requests with OBJECT_STORE_ACCESS_KEY, as for any S3.
locals {
  object_users = { for name, identity in local.identities : name => identity.object_store if can(identity.object_store) }
  verbs        = { get = "s3:GetObject", put = "s3:PutObject", delete = "s3:DeleteObject" }
  # A prefix of the bucket of images, or another bucket: /models.
  places = { for name, store in local.object_users : name => {
    for place, verbs in store : place => {
      bucket = startswith(place, "/") ? trimprefix(place, "/") : "images"
      prefix = startswith(place, "/") ? "" : place
      verbs  = verbs
    }
  } }
}

resource "aws_iam_user" "objects" {
  #checkov:skip=CKV_AWS_273:no person: the S3 key of a service, which may do what access.yaml says and log in nowhere
  for_each = local.object_users
  name     = "${var.name}-${each.key}"
}

resource "aws_iam_access_key" "objects" {
  for_each = local.object_users
  user     = aws_iam_user.objects[each.key].name
}

resource "aws_iam_user_policy" "objects" {
  #checkov:skip=CKV_AWS_40:one user is one service; a group of one would hide that
  for_each = local.object_users
  user     = aws_iam_user.objects[each.key].name
  policy   = data.aws_iam_policy_document.objects[each.key].json
}

data "aws_iam_policy_document" "objects" {
  for_each = local.places
  dynamic "statement" {
    for_each = each.value
    content {
      actions   = [for verb in statement.value.verbs : local.verbs[verb]]
      resources = ["${aws_s3_bucket.this[statement.value.bucket].arn}/${statement.value.prefix}*"]
    }
  }
  # Without it, a missing object looks like a forbidden one.
  statement {
    actions   = ["s3:ListBucket"]
    resources = [for bucket in distinct([for place in each.value : place.bucket]) : aws_s3_bucket.this[bucket].arn]
  }
  statement {
    actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
    resources = [aws_kms_key.data.arn]
  }
}

# External Secrets reads the secrets of this installation and no others.
resource "aws_iam_role" "secrets" {
  name               = "${var.name}-secrets"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_pods.json
}

resource "aws_iam_role_policy" "secrets" {
  role   = aws_iam_role.secrets.id
  policy = data.aws_iam_policy_document.secrets.json
}

data "aws_iam_policy_document" "assumed_by_pods" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = concat(
      [for secret in aws_secretsmanager_secret.identity : secret.arn],
      [for secret in aws_secretsmanager_secret.by_hand : secret.arn],
    )
  }
  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.data.arn]
  }
}

resource "aws_eks_pod_identity_association" "secrets" {
  cluster_name    = aws_eks_cluster.this.name
  namespace       = "external-secrets"
  service_account = "external-secrets"
  role_arn        = aws_iam_role.secrets.arn
}

# Workflows of one repository, without a stored password: one role to push images, one for each environment.
resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  environments = toset(["registry", "staging", "production"])
}

data "aws_iam_policy_document" "assumed_by_workflow" {
  for_each = local.environments
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.repository}:environment:${each.key}"]
    }
  }
}

resource "aws_iam_role" "workflow" {
  for_each           = local.environments
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_workflow[each.key].json
}

resource "aws_iam_role_policy" "workflow" {
  for_each = local.environments
  role     = aws_iam_role.workflow[each.key].id
  policy   = data.aws_iam_policy_document.workflow[each.key].json
}

data "aws_iam_policy_document" "workflow" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken knows no resource
  for_each = local.environments
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    actions = concat(
      ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability", "ecr:DescribeImages"],
      each.key == "registry" ? [
        "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
      ] : [],
    )
    resources = [for repository in aws_ecr_repository.this : repository.arn]
  }
  dynamic "statement" {
    for_each = each.key == "registry" ? [] : [1]
    content {
      actions   = ["eks:DescribeCluster"]
      resources = [aws_eks_cluster.this.arn]
    }
  }
}

# What deploys may change the namespace of the application and nothing else in the cluster.
resource "aws_eks_access_entry" "workflow" {
  for_each      = setsubtract(local.environments, ["registry"])
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_iam_role.workflow[each.key].arn
}

resource "aws_eks_access_policy_association" "workflow" {
  for_each      = aws_eks_access_entry.workflow
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy"
  access_scope {
    type       = "namespace"
    namespaces = ["attendance"]
  }
}

resource "aws_ecr_repository" "this" {
  for_each = toset([
    "ingest", "recognition-worker", "recognition-worker-gpu", "attendance-projector", "query-api", "prepare", "gateway",
    "charts/attendance",
  ])
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration { scan_on_push = true }
  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.data.arn
  }
}
