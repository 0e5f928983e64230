# A primary with a standby in another zone, and replicas that query-api reads.
resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = [for subnet in aws_subnet.private : subnet.id]
}

resource "aws_db_parameter_group" "this" {
  name   = var.name
  family = "postgres${split(".", var.postgres.version)[0]}"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  parameter {
    name  = "log_statement"
    value = "ddl"
  }
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
}

resource "aws_db_instance" "primary" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.postgres.version
  instance_class = var.postgres.class
  db_name        = "attendance"

  allocated_storage     = var.postgres.disk_gb
  max_allocated_storage = var.postgres.disk_gb * 3
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.data.arn

  # Its administrator makes roles and the database's owner; RDS keeps and changes the password.
  username                            = "administrator"
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = aws_kms_key.data.key_id
  iam_database_authentication_enabled = true

  multi_az               = true
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.engine["postgres"].id]
  parameter_group_name   = aws_db_parameter_group.this.name

  backup_retention_period    = 14
  copy_tags_to_snapshot      = true
  deletion_protection        = true
  final_snapshot_identifier  = "${var.name}-last"
  auto_minor_version_upgrade = true

  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.data.arn
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.database_monitoring.arn
}

resource "aws_db_instance" "replica" {
  #checkov:skip=CKV_AWS_157:a replica beside a primary with a standby; query-api reads the primary while it is away
  #checkov:skip=CKV_AWS_133:the primary is backed up
  count                               = var.postgres.replicas
  identifier                          = "${var.name}-replica-${count.index + 1}"
  replicate_source_db                 = aws_db_instance.primary.identifier
  instance_class                      = var.postgres.class
  max_allocated_storage               = var.postgres.disk_gb * 3
  storage_encrypted                   = true
  kms_key_id                          = aws_kms_key.data.arn
  iam_database_authentication_enabled = true
  vpc_security_group_ids              = [aws_security_group.engine["postgres"].id]
  parameter_group_name                = aws_db_parameter_group.this.name
  copy_tags_to_snapshot               = true
  deletion_protection                 = true
  skip_final_snapshot                 = true
  auto_minor_version_upgrade          = true
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = aws_kms_key.data.arn
  monitoring_interval                 = 60
  monitoring_role_arn                 = aws_iam_role.database_monitoring.arn
}

resource "aws_db_instance_automated_backups_replication" "this" {
  provider               = aws.backup
  source_db_instance_arn = aws_db_instance.primary.arn
  kms_key_id             = aws_kms_key.copies.arn
  retention_period       = 14
}

resource "aws_iam_role" "database_monitoring" {
  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["monitoring.rds"].json
}

resource "aws_iam_role_policy_attachment" "database_monitoring" {
  role       = aws_iam_role.database_monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
