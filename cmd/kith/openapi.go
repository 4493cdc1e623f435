package main

import (
	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) openapiCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI description of the local API",
		Long: `Print the OpenAPI 3.1 description of the local API, as the running node serves it
at /openapi.json on the socket kith.sock in its home directory. No node is needed.`,
		Example: "  kith openapi > kith.json\n  curl --unix-socket ~/.local/share/kith/kith.sock http://kith/v1/contacts",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			doc, err := control.OpenAPI(version())
			if err != nil {
				return err
			}
			_, err = a.out.Write(doc)
			return err
		},
	}
}
