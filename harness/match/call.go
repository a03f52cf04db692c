package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/evidence"
)

// HaveSucceeded holds of a call that returned without a failure.
func HaveSucceeded() types.GomegaMatcher {
	return ofCall("have succeeded", func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Errno != "":
			return but("it failed with %s", c.Errno)
		case c.Result < 0:
			return but("it returned %d", c.Result)
		}
		return ""
	})
}

// HaveReturned holds of a call that returned this value and no error.
func HaveReturned(value int) types.GomegaMatcher {
	return ofCall(fmt.Sprintf("have returned %d", value), func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Errno != "":
			return but("it failed with %s", c.Errno)
		case c.Result != value:
			return but("it returned %d", c.Result)
		}
		return ""
	})
}

// HaveFailedWith holds of a call that returned −1 with one of these values of errno, such as "EBADF".
func HaveFailedWith(errnos ...string) types.GomegaMatcher {
	return ofCall("have returned -1 with "+strings.Join(errnos, " or "), func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Result != -1:
			return but("it returned %d", c.Result)
		case !slices.Contains(errnos, c.Errno):
			return but("errno is %s", orNone(c.Errno))
		}
		return ""
	})
}

func orNone(errno string) string {
	if errno == "" {
		return "0"
	}
	return errno
}

// HaveReturnedAfter holds of a call that came back only after another one had been entered.
func HaveReturnedAfter(other evidence.Call) types.GomegaMatcher {
	return ofCall("have returned after "+other.String()+" was called", func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Exit < other.Entry:
			return but("it returned %v before", other.Entry.Sub(c.Exit))
		}
		return ""
	})
}

// BeFresh holds of a call that made a descriptor which was not open before.
func BeFresh() types.GomegaMatcher {
	return ofCall("have made a descriptor that was not open before", func(c evidence.Call) mismatch {
		switch {
		case !c.Succeeded():
			return "it did not succeed"
		case c.NewFD == nil:
			return "it made no descriptor"
		case slices.Contains(c.Before, *c.NewFD):
			return but("descriptor %d was open before (open: %v)", *c.NewFD, c.Before)
		case !slices.Contains(c.After, *c.NewFD):
			return but("descriptor %d is not open afterwards (open: %v)", *c.NewFD, c.After)
		}
		return ""
	})
}

// HaveCreatedNoDescriptor holds of a call after which no descriptor is open that was not open before, and
// none is gone.
func HaveCreatedNoDescriptor() types.GomegaMatcher {
	return ofCall("have left the set of open descriptors as it was", func(c evidence.Call) mismatch {
		if !slices.Equal(c.Before, c.After) {
			return but("open before: %v, open after: %v", c.Before, c.After)
		}
		return ""
	})
}
