package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Version returns the command that says what was built.
func Version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "What this program was built from", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version(info))
			return err
		},
	}
}

// version words the facts of a build: nil for none.
func version(info *debug.BuildInfo) string {
	parts := []string{"ringup"}
	if info != nil {
		said := map[string]string{}
		for _, one := range info.Settings {
			said[one.Key] = one.Value
		}
		if v := info.Main.Version; v != "" && v != "(devel)" {
			parts = append(parts, v)
		}
		if revision := said["vcs.revision"]; revision != "" {
			parts = append(parts, "commit "+revision)
		}
		if said["vcs.modified"] == "true" {
			parts = append(parts, "with changes")
		}
	}
	return strings.Join(append(parts, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH), " ")
}
