//go:build tools

// Package tools names the program to build, so that go.mod and go.sum lock it and all of its parts.
package tools

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
