# Writes the store's users from the Secrets: each has keys of its own and no right beyond its bucket.
# Usage: identities.sh FILE. Environment: ADMIN_*, RUNS_* and TRACKING_*, each with ACCESS_KEY_ID and SECRET_ACCESS_KEY.
set -eu
umask 077

for name in ADMIN RUNS TRACKING; do
  for part in ACCESS_KEY_ID SECRET_ACCESS_KEY; do
    eval "value=\${${name}_${part}:-}"
    case "$value" in
      "" | REPLACE_ME | *[\"\\]*)
        echo "${name}_${part} is empty, still REPLACE_ME, or has a quote or backslash in it: look at its Secret" >&2
        exit 1
        ;;
    esac
  done
done

cat >"$1" <<END
{"identities": [
  {"name": "admin",
   "credentials": [{"accessKey": "$ADMIN_ACCESS_KEY_ID", "secretKey": "$ADMIN_SECRET_ACCESS_KEY"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "runs",
   "credentials": [{"accessKey": "$RUNS_ACCESS_KEY_ID", "secretKey": "$RUNS_SECRET_ACCESS_KEY"}],
   "actions": ["Read:groundtune", "Write:groundtune", "List:groundtune", "Tagging:groundtune"]},
  {"name": "tracking",
   "credentials": [{"accessKey": "$TRACKING_ACCESS_KEY_ID", "secretKey": "$TRACKING_SECRET_ACCESS_KEY"}],
   "actions": ["Read:groundtune-mlflow", "Write:groundtune-mlflow", "List:groundtune-mlflow", "Tagging:groundtune-mlflow"]}
]}
END
