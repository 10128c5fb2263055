// Reads a JSON list of PromQL expressions; writes the list of those that Prometheus' own grammar does not accept.
import { readFileSync } from "node:fs";
import { parser } from "@prometheus-io/lezer-promql";

const expressions = JSON.parse(readFileSync(0, "utf8"));
const refused = expressions.filter((expression) => {
  let wrong = false;
  parser.parse(expression).iterate({ enter: (node) => { wrong ||= node.type.isError; } });
  return wrong;
});
process.stdout.write(JSON.stringify(refused));
