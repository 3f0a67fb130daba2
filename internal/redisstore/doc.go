// Package redisstore is everything ringup knows of Redis: how to connect, the keys, and one atomic script per transition. It
// implements the contract of package queue, and passes queuetest. docs/protocol.md has what the scripts promise each other.
//
// Redis 6.2 or newer: standalone, Sentinel, Cluster (a channel's keys share a hash tag), TLS, ACL users.
//
// Where to look: conn.go, keys.go and script.go are the ground. producer.go enqueues; consumer.go, claim.go, settle.go, renew.go and
// sweep.go are the workers' and the sweeper's side; breaker.go the providers'; report.go, apply.go and fallback.go come after the send;
// suppress.go, spend.go, audit.go, status.go, state.go, search.go, operate.go and erase.go are for people. A script is lua/<name>.lua.
package redisstore
