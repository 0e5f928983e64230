//go:build tools

// Package tools names the programs that are built, so that `go mod tidy` locks what they need.
package tools

import (
	_ "github.com/norwoodj/helm-docs/cmd/helm-docs"
	_ "helm.sh/helm/v3/cmd/helm"
)
