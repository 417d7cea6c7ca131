//go:build keep

package keep

import _ "github.com/influxdata/influxdb/v2/cmd/influxd"
