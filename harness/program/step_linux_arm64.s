#include "textflag.h"

// The steps begin at stepsAt (image_linux.go), 12 words each:
// number, six arguments, next after a failure, next after 0, next after a positive result, address that the
// result goes to, place for the result.
// Uses no stack and no address but those in the steps, so that it runs wherever it is copied to.
TEXT ·walkSteps(SB), NOSPLIT|NOFRAME, $0
	MOVD $0x10010000, R19
next:
	MOVD 0(R19), R8
	MOVD 8(R19), R0
	MOVD 16(R19), R1
	MOVD 24(R19), R2
	MOVD 32(R19), R3
	MOVD 40(R19), R4
	MOVD 48(R19), R5
	SVC
	MOVD 80(R19), R20
	MOVD R0, 0(R20)
	CMP $0, R0
	BLT failed
	BEQ zero
	MOVD 72(R19), R19
	B next
zero:
	MOVD 64(R19), R19
	B next
failed:
	MOVD 56(R19), R19
	B next

// func walkStepsAt() *byte
TEXT ·walkStepsAt(SB), NOSPLIT, $0-8
	MOVD $·walkSteps(SB), R0
	MOVD R0, ret+0(FP)
	RET
