package admin

// LookAt changes how many jobs one request to forget looks at.
func (a *Admin) LookAt(n int) { a.forgetBatch = n }
