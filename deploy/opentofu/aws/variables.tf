variable "name" {
  description = "Name of the installation, and the beginning of every name in it"
  type        = string
  default     = "attendance"
}

variable "region" {
  description = "Where it runs"
  type        = string
}

variable "backup_region" {
  description = "Where copies of images, backups and secrets go"
  type        = string
}

variable "zones" {
  description = "Three availability zones of the region: Kafka keeps a copy of each record in each"
  type        = list(string)
  validation {
    condition     = length(var.zones) == 3
    error_message = "Name three zones."
  }
}

variable "state_key" {
  description = "ARN of the key that encrypts the state; the folder state/ makes it"
  type        = string
}

variable "cidr" {
  description = "Addresses of the network, a /16"
  type        = string
  default     = "10.40.0.0/16"
}

variable "repository" {
  description = "GitHub repository whose workflows push images and deploy, OWNER/NAME"
  type        = string
}

# Sizes: `attendance-deploy sizing` computes them.
variable "kubernetes" {
  description = "Version, and the nodes of the services"
  type = object({
    version  = optional(string, "1.34")
    instance = optional(string, "m7i.xlarge")
    least    = optional(number, 3)
    most     = optional(number, 12)
  })
  default = {}
}

variable "gpu" {
  description = "Nodes for recognition on GPUs; most = 0 makes none"
  type = object({
    instance = optional(string, "g6.xlarge")
    most     = optional(number, 0)
  })
  default = {}
}

variable "postgres" {
  description = "Version, class, disk and number of replicas"
  type = object({
    version  = optional(string, "18")
    class    = optional(string, "db.m7g.large")
    disk_gb  = optional(number, 100)
    replicas = optional(number, 1)
  })
  default = {}
}

variable "kafka" {
  description = "Version, instance and disk of each of the three brokers; closed: without a rule nobody may (README, third step)"
  type = object({
    version  = optional(string, "3.9.x.kraft")
    instance = optional(string, "kafka.m7g.large")
    disk_gb  = optional(number, 100)
    closed   = optional(bool, false)
  })
  default = {}
}

variable "cache_node" {
  description = "Node type of Valkey: a primary and a replica"
  type        = string
  default     = "cache.t4g.small"
}

variable "images" {
  description = "Days for which images of captures are kept, and days after which they are cold"
  type = object({
    keep_days = optional(number, 400)
    cold_days = optional(number, 30)
  })
  default = {}
  validation {
    condition     = var.images.keep_days >= 62 && var.images.cold_days < var.images.keep_days
    error_message = "A capture may come 62 days late (INGEST_MAX_AGE_DAYS): keep images for longer."
  }
}
