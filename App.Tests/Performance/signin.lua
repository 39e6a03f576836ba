-- Signs people in, one after the other: `wrk -s signin.lua … URL -- PASSWORD EMAIL…`.
local requests, at = {}, 0

function init(args)
  for number = 2, #args do
    local body = string.format('{"email":"%s","password":"%s"}', args[number], args[1])
    requests[#requests + 1] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
