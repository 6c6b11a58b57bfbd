#!/usr/bin/env bash
# Writes page.html beside this file: the page of `dvc plots show`, with all that it runs, so that it needs no network.
# Needs npm. Usage: .dvc/plots/page.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
versions=(vega@5.33.0 vega-lite@5.23.0 vega-embed@6.29.0) # of the major versions that DVC's templates are written for
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
npm install --prefix "$parts" --ignore-scripts --no-audit --no-fund --silent "${versions[@]}"
cd "$parts/node_modules"

licences() { # of what is bundled, each text once; the other folders are tools that only npm's commands use
  local folder file text
  declare -A names
  for folder in vega vega-* d3-* delaunator internmap robust-predicates topojson-client \
    fast-json-patch json-stringify-pretty-compact semver tslib; do
    for file in "$folder"/LICEN[CS]E*; do
      [ -f "$file" ] && names[$(cat "$file")]+=" $folder"
    done
  done
  for text in "${!names[@]}"; do
    printf '\n==%s\n%s\n' "${names[$text]}" "$text"
  done
}

{
  sed '/<!-- scripts -->/,$d' "$here/page.template.html"
  printf '<!-- Made by page.sh of %s. Licences of what is bundled:\n%s\n-->\n' "${versions[*]}" "$(licences)"
  for name in vega vega-lite vega-embed; do
    printf '<script>\n'
    sed '/^\/\/# sourceMappingURL/d' "$name/build/$name.min.js"
    printf '\n</script>\n'
  done
  sed '1,/<!-- scripts -->/d' "$here/page.template.html"
} >"$here/page.html"
