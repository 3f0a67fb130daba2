// Package glossarytest checks that what people read in this repository uses the words of docs/glossary.md: Markdown, pages, comments of
// YAML and scripts, alerts, dashboards, and the comments, logs, errors and help texts of the Go code. The phrases that it refuses are a
// table of that page.
package glossarytest
