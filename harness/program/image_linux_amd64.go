package program

const arm64 = false
