-- HAProxy asks Gatehouse about a request: /auth/verify decides, this hands its answer on. Anything but a clear yes refuses.
local verify = "http://{gatehouse}/auth/verify?audience={audience_encoded}&redirect=true"
local identity = { "x-auth-user", "x-auth-email", "x-auth-roles", "x-auth-session", "authorization" }
local asked = { "authorization", "cookie", "accept", "sec-fetch-mode", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host" }
local told = { "www-authenticate", "location", "set-cookie", "content-type", "cache-control" }

-- Values of one header in the order they came; HAProxy counts them from 0.
local function values(headers, name)
  local list, i = {}, 0
  local found = headers and headers[name]
  while found and found[i] do
    list[#list + 1] = found[i]
    i = i + 1
  end
  return list
end

-- Our cookies stay here: the service gets a token made for it instead.
local function without_ours(cookies)
  local kept = {}
  for pair in cookies:gmatch("[^;,]+") do
    local name = pair:match("^%s*([^=%s]*)")
    if name ~= "{session_cookie}" and name ~= "{refresh_cookie}" and name ~= "{device_cookie}" then kept[#kept + 1] = pair:match("^%s*(.-)%s*$") end
  end
  return table.concat(kept, "; ")
end

core.register_action("gatehouse", { "http-req" }, function(txn)
  local sent = txn.http:req_get_headers()
  local path, query = txn.f:path() or "/", txn.f:query()
  local question = {
    ["x-forwarded-method"] = { txn.f:method() },
    ["x-forwarded-uri"] = { query and query ~= "" and path .. "?" .. query or path },
  }
  for _, name in ipairs(asked) do
    local list = values(sent, name)
    if #list > 0 then question[name] = list end
  end

  -- HAProxy asks up to four times, so that silence is taken for a no after six seconds.
  local answered, answer = pcall(function() return core.httpclient():get { url = verify, headers = question, timeout = 1500 } end)
  local status = answered and answer and answer.status or 0
  if status == 200 then
    for _, name in ipairs(identity) do
      txn.http:req_del_header(name)
      txn.http:req_set_header(name, values(answer.headers, name)[1] or "")
    end
    local cookies = without_ours(table.concat(values(sent, "cookie"), "; "))
    txn.http:req_del_header("cookie")
    if cookies ~= "" then txn.http:req_set_header("cookie", cookies) end
    local renewed = values(answer.headers, "set-cookie")
    if renewed[1] then txn:set_var("txn.gatehouse_session", renewed[1]) end
    if renewed[2] then txn:set_var("txn.gatehouse_refresh", renewed[2]) end
    txn:set_var("txn.gatehouse_allowed", true)
    return
  end

  local reply = txn:reply { status = (status == 401 or status == 403 or status == 302) and status or 503 }
  if reply.status ~= 503 then
    for _, name in ipairs(told) do
      for _, value in ipairs(values(answer.headers, name)) do reply:add_header(name, value) end
    end
    reply:set_body(answer.body)
  end
  txn:done(reply)
end, 0)
