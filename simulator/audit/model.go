package audit

// checkModel is filled in below.
func (a *audit) checkModel() {}
