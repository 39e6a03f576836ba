-- Sends each token of a file in turn: `wrk -s tokens.lua … URL -- FILE once|again`.
local requests, at, once = {}, 0, false

function init(args)
  once = args[2] == "once"
  for token in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. token })
  end
end

function request()
  at = at + 1
  if at > #requests then
    if once then wrk.thread:stop() end
    at = 1
  end
  return requests[at]
end
