-- Posts the lines of a file in turn, another body with every request, and prints one line of JSON at the end.
local requests, turn = {}, 0

function init(arguments)
  local headers = {["Content-Type"] = arguments[2]}
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
  local pause = tonumber(arguments[3])
  if pause > 0 then
    function delay() return pause end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50": %d, "p99": %d, "p999": %d, "maximum": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max
  ))
end
