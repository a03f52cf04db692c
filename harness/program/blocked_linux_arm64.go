package program

var oldSleeps map[int]string
