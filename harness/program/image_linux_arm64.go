package program

const arm64 = true
