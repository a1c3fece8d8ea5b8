# /// taskyard
# key: words
# title: The most frequent words of a text
# inputSchema: {type: object, required: [text], properties: {text: {type: string}, most: {type: integer, default: 3}}}
# ///
echo 1 2 counting >>"$TASK_PROGRESS"
list=$(printf '%s' "$INPUT_TEXT" | tr -cs '[:alpha:]' '\n' | sort | uniq -c | sort -k1,1nr -k2 |
  head -n "${INPUT_MOST:-3}" | awk '{printf "%s\"%s\"", sep, $2; sep = ", "}')
printf '{"words": [%s]}' "$list" >"$TASK_OUTPUT"
