//go:build tools

// Package tools names the programs that are built, so that `go mod tidy` locks what they need.
package tools

import (
	_ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
	_ "github.com/coredns/coredns"
)
