variable "name" {
  description = "Name of the installation, and the beginning of every name in it"
  type        = string
  default     = "attendance"
}

variable "project" {
  description = "Project, with the APIs of the README enabled"
  type        = string
}

variable "region" {
  description = "Where it runs"
  type        = string
}

variable "backup_region" {
  description = "Where copies of images, backups and secrets go; on the same continent"
  type        = string
}

variable "continent" {
  description = "Location of the bucket of images (EU, US, ASIA) and of its key (europe, us, asia)"
  type        = object({ bucket = string, key = string })
  default     = { bucket = "EU", key = "europe" }
}

variable "state_key" {
  description = "Name of the key that encrypts the state; the folder state/ makes it"
  type        = string
}

variable "cidr" {
  description = "Addresses of the nodes, of pods, of services, and of what Google runs for us"
  type = object({
    nodes    = optional(string, "10.40.0.0/20")
    pods     = optional(string, "10.44.0.0/14")
    services = optional(string, "10.40.16.0/20")
    control  = optional(string, "172.16.0.0/28")
    google   = optional(string, "10.40.64.0")
  })
  default = {}
}

variable "operators" {
  description = "Addresses from which the API of the cluster may be asked, beside the network's own"
  type        = map(string)
  default     = {}
}

variable "administrators" {
  description = "Google group that administers the cluster, such as gke-security-groups@example.com"
  type        = string
}

variable "repository" {
  description = "GitHub repository whose workflows push images and deploy, OWNER/NAME"
  type        = string
}

# Sizes: `attendance-deploy sizing` computes them.
variable "kubernetes" {
  description = "Nodes of the services, in each of three zones"
  type = object({
    machine = optional(string, "n2-standard-4")
    least   = optional(number, 1)
    most    = optional(number, 4)
  })
  default = {}
}

variable "gpu" {
  description = "Nodes for recognition on GPUs; most = 0 makes none"
  type = object({
    machine = optional(string, "g2-standard-4")
    kind    = optional(string, "nvidia-l4")
    most    = optional(number, 0)
  })
  default = {}
}

variable "postgres" {
  description = "Version, tier, disk and number of replicas"
  type = object({
    version  = optional(string, "POSTGRES_18")
    tier     = optional(string, "db-perf-optimized-N-2")
    disk_gb  = optional(number, 100)
    replicas = optional(number, 1)
  })
  default = {}
}

variable "kafka" {
  description = "vCPUs and memory of all brokers together; disks grow by themselves"
  type = object({
    cpus   = optional(number, 3)
    memory = optional(number, 12)
  })
  default = {}
}

variable "cache_gb" {
  description = "Memory of the cache"
  type        = number
  default     = 1
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
