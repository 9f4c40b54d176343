-- One payment: what is known of its customer and terminal just before it, then remembered. Exact sliding windows, as ours.
-- KEYS: the customer's and the terminal's payments, the terminal's known frauds, the customer's decayed amount.
-- ARGV: time and amount in whole numbers, the transaction's id.
local time, amount = tonumber(ARGV[1]), tonumber(ARGV[2])
local day = 86400
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time - 33 * day)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', time - 40 * day)
local known = {}
local counts, sums = {0, 0, 0}, {0, 0, 0}
local payments = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (time - 30 * day), time, 'WITHSCORES')
for index = 1, #payments, 2 do
  local age = time - tonumber(payments[index + 1])
  local spent = tonumber(string.match(payments[index], ':(%d+)$'))
  counts[3], sums[3] = counts[3] + 1, sums[3] + spent
  if age < 7 * day then counts[2], sums[2] = counts[2] + 1, sums[2] + spent end
  if age < day then counts[1], sums[1] = counts[1] + 1, sums[1] + spent end
end
for window = 1, 3 do
  known[#known + 1] = counts[window]
  known[#known + 1] = sums[window]
  known[#known + 1] = counts[window] > 0 and sums[window] / counts[window] or 0
end
local settled = time - 7 * day
for _, days in ipairs({1, 7, 30}) do
  local from = '(' .. (settled - days * day)
  local count = redis.call('ZCOUNT', KEYS[2], from, settled)
  local frauds = redis.call('ZCOUNT', KEYS[3], from, settled)
  known[#known + 1] = count
  known[#known + 1] = count > 0 and frauds / count or 0
end
local decayed = redis.call('HMGET', KEYS[4], 'v', 't')
local value = 0
if decayed[1] then value = tonumber(decayed[1]) * 2 ^ (-(time - tonumber(decayed[2])) / (7 * day)) end
known[#known + 1] = value
redis.call('HSET', KEYS[4], 'v', value + amount, 't', time)
redis.call('ZADD', KEYS[1], time, ARGV[3] .. ':' .. ARGV[2])
redis.call('ZADD', KEYS[2], time, ARGV[3])
for index = 1, #known do known[index] = tostring(known[index]) end
return known
