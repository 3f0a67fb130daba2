package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// process is one of ringup's programs, a Redis, or a sentinel.
type process struct {
	name    string
	path    string
	args    []string
	env     []string
	ops     int    // the operators' port
	address string // of a sentinel
	clock   *shift // nil: the true time

	mu  sync.Mutex
	cmd *exec.Cmd
	log tail
}

// tail stores the end of a process's output.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > 64<<10 {
		t.buf = bytes.Clone(t.buf[len(t.buf)-32<<10:])
	}
	return len(b), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf[max(0, len(t.buf)-3000):])
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s)
}

// stopped says whether the process is stopped by a signal, by /proc; true on other systems than Linux.
func (p *process) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return runtime.GOOS != "linux" // there is no /proc
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "T")
}

// files returns the number of files and sockets that the process has open; -1 without /proc.
func (p *process) files() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		return -1
	}
	return len(open)
}

// stop kills a process, also a stopped one. A second call has no effect.
func (p *process) stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGKILL)
		_ = p.cmd.Wait()
	}
}

// end sends a signal and waits until the process has ended. After half a minute the process is killed, which is an error.
func (p *process) end(s syscall.Signal) error {
	p.signal(s)
	late := time.AfterFunc(30*time.Second, func() { p.signal(syscall.SIGKILL) })
	defer late.Stop()
	return p.cmd.Wait()
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// proxy stands before a Redis. It can cut connections in the middle of a reply, and it can cut Redis off from its replica and the sentinels
// while programs still reach it.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	left  int // bytes of replies until every connection is cut; 0: never
	cuts  int // connections that were cut

	parted  bool
	dropped int // bytes that were lost while the network was parted
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p, nil
}

// peers are words in the first commands of replicas and sentinels. Programs do not send them.
var peers = [][]byte{[]byte("REPLCONF"), []byte("PSYNC"), []byte("sentinel-"), []byte("__sentinel__")}

func (p *proxy) serve(down net.Conn) {
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = down.Close()
		return
	}
	p.mu.Lock()
	p.conns[down], p.conns[up] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var peer, torn atomic.Bool
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := down.Read(buf)
			if slices.ContainsFunc(peers, func(word []byte) bool { return bytes.Contains(buf[:n], word) }) {
				peer.Store(true)
			}
			lost, ended := p.lose(&peer, &torn, n)
			if n > 0 && !lost {
				if _, err := up.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil || ended {
				break
			}
		}
		_ = up.Close()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := up.Read(buf)
		pass := p.pass(n)
		lost, ended := p.lose(&peer, &torn, pass)
		if pass > 0 && !lost {
			if _, err := down.Write(buf[:pass]); err != nil {
				break
			}
		}
		if err != nil || ended || pass < n {
			break
		}
	}
	_, _ = down.Close(), up.Close()
	p.mu.Lock()
	delete(p.conns, down)
	delete(p.conns, up)
	p.mu.Unlock()
}

// lose decides about n bytes that were just read from a connection of a peer:
//
//   - lost: the network is parted, or bytes of this connection were lost before, so these are lost too;
//   - ended: bytes were lost and the network is whole again, so the connection has to end.
func (p *proxy) lose(peer, torn *atomic.Bool, n int) (lost, ended bool) {
	if !peer.Load() {
		return false, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parted && n > 0 {
		torn.Store(true)
		p.dropped += n
	}
	return p.parted || torn.Load(), torn.Load() && !p.parted
}

// part cuts the Redis off from its replica and the sentinels, or ends that. It returns the number of bytes lost so far.
func (p *proxy) part(parted bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parted = parted
	return p.dropped
}

// pass returns how many of a reply's n bytes are passed on.
func (p *proxy) pass(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 || n < p.left {
		if p.left > 0 {
			p.left -= n
		}
		return n
	}
	n = p.left - 1
	p.left = 0
	for conn := range p.conns {
		if conn.LocalAddr().String() != p.address() {
			_ = conn.Close() // Redis's side; the other one ends with it
			p.cuts++
		}
	}
	return n
}

// cut ends every connection after so many more bytes of replies; 0 ends none.
func (p *proxy) cut(after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = after
}
