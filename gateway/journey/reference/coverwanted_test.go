package reference

// usual occurs in at least one world of a hundred.
const usual = `
entry enrolled
`

// rare occurs in at least one world of five hundred.
const rare = `
entry enrolled
`
