// Package redisqueue is everything ringup knows of Redis: how to connect, the keys, and one atomic script a transition. It
// implements the contract of package queue; queuetest holds it to that.
//
// Redis 6.2 or newer: standalone, Sentinel, Cluster (a channel's keys share a hash tag), TLS, ACL users.
package redisstore
