# Sums what gcov -j says of all objects: rows of a file, lines, missed, branches, missed; and a list
# of what was missed. A line of a header counts once, however many objects have it; a branch that
# several objects have is taken when one of them took it. Nothing is left out.

def share($missed; $all):
  if $all == 0 then 100 else ($all - $missed) * 10000 / $all | floor / 100 end;
def percent($missed; $all): share($missed; $all) | tostring + " %";

[inputs.files[] | select(.file | test("^(src|include)/")) | .file as $file
    | .lines[] | {$file, line: .line_number, of: .function_name, count, taken: [.branches[].count]}]
| group_by([.file, .line, .of])
| map({file: .[0].file, line: .[0].line, missed: (map(.count) | add == 0),
       taken: (map(.taken) | transpose | map(add > 0))})
| group_by(.file)
| map({file: .[0].file,
       lines: (map(.line) | unique | length),
       missed: (group_by(.line) | map(select(all(.missed)) | .[0].line)),
       branches: (map(.taken[]) | length),
       untaken: map(.line as $line | .taken | to_entries[] | select(.value | not)
                    | "\($line) (\(.key + 1))")})
| sort_by(-(.missed | length) - (.untaken | length))
| {lines: (map(.lines) | add), missed: (map(.missed | length) | add),
   branches: (map(.branches) | add), untaken: (map(.untaken | length) | add), files: .}
| . as $all
| if $what == "missed" then
    .files[] | "\(.file): lines \(.missed | join(" "))\n    branches \(.untaken | join(" "))"
  elif $what == "reached" then
    share(.missed; .lines) >= 95 and share(.untaken; .branches) >= 90
  else
    (.files[] | select((.missed + .untaken) != [])
        | [.file, .lines, (.missed | length), .branches, (.untaken | length)] | @tsv),
    "lines: \(percent(.missed; .lines)) of \(.lines), \(.missed) not run; branches: "
    + "\(percent(.untaken; .branches)) of \(.branches), \(.untaken) not taken"
  end
