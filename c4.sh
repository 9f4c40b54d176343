. /tmp/n3/env.sh; HB="authorization: Bearer $(token sagarpur-bank)"
for n in 100 1000; do timeout 60 h2load -n $n -c 8 -m 50 -t1 -H "$HB" https://127.0.0.1:8441/vigil.ingestion.v1.IngestionService/GetStatistics 2>&1 | grep -E "^(finished|requests|status|time for req)"; done
for i in 1 2 3; do curl -s --http2 --cacert $H/certificates/ca.crt -H "$HB" -o /dev/null -w '%{time_total}\n' https://127.0.0.1:8441/vigil.ingestion.v1.IngestionService/GetStatistics; done
for i in 1 2 3 4 5 6; do call -H "$HB" -H 'connect-timeout-ms: 0' --json '{}' $I/GetStatistics -w ' [%{http_code} %{exitcode} %{errormsg}]\n'; done
nghttp -v -d <(echo '{}') -H "$HB" -H 'content-type: application/json' -H 'connect-timeout-ms: 0' $I/GetStatistics 2>&1 | grep -E "recv|error_code" | sed 's/\x1b\[[0-9;]*m//g' | head -20
