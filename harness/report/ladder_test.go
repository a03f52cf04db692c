package report

import (
	"fmt"
	"testing"
)

func TestShow(t *testing.T) {
	for _, run := range []any{0} {
		_ = run
		fmt.Println(Draw(referenceRun(), DrawOptions{}).Text(Style{}, Marks{}))
		m := Marks{Calls: []int{14, 16}, Broken: true}
		fmt.Println(Draw(wrongCloseRun(), DrawOptions{Marks: m}).Text(Style{}, m))
		fmt.Println(Draw(wrongCloseRun(), DrawOptions{Marks: m, Rows: 14}).Text(Style{Width: 80}, m))
		fmt.Println(Draw(twoClientsRun(), DrawOptions{}).Text(Style{}, Marks{}))
		fmt.Println(Draw(pollingRun(1000), DrawOptions{}).Text(Style{}, Marks{}))
		fmt.Println(Draw(refusedRun(), DrawOptions{}).Text(Style{Language: Chinese}, Marks{}))
		fmt.Println(Draw(wireRun(), DrawOptions{}).Text(Style{}, Marks{}))
		fmt.Println(Draw(bulkRun(200), DrawOptions{Rows: 30}).Text(Style{}, Marks{}))
		fmt.Println(Draw(hostileRun(), DrawOptions{Rows: 30}).Text(Style{}, Marks{}))
	}
}
