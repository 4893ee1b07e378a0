-- What wrk sends: the credentials of a file, one after the other, and around again.
-- Arguments: the file, how many of its lines to skip, how many to use, the path, and the body of a POST, if it is one.

local requests = {}
local last = 0

function init(args)
  local file, skip, use, path, body = args[1], tonumber(args[2]), tonumber(args[3]), args[4], args[5]
  local line = 0
  for credential in io.lines(file) do
    line = line + 1
    if line > skip + use then
      break
    end
    if line > skip then
      local headers = { ["Authorization"] = credential }
      if body then
        headers["Content-Type"] = "application/json"
      end
      requests[#requests + 1] = wrk.format(body and "POST" or "GET", path, headers, body)
    end
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("done %d %d %d %d %d\n", summary.requests, summary.duration, errors.status, broken, latency:percentile(99)))
end
