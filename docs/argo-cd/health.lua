-- Health of a ModelDeployment, as Argo CD shows it and its sync waves wait for it.
-- `obj` is the object; what is returned has `status` (Healthy, Progressing, Degraded or Suspended) and `message`.

local conditions = {}
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  conditions[condition.type] = condition
end

local function is_true(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local ready = conditions.Ready
if ready == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "The operator has not seen this generation yet" }
elseif ready.reason == "Paused" then
  return { status = "Suspended", message = ready.message }
elseif is_true("Stalled") then
  return { status = "Degraded", message = conditions.Stalled.message }
elseif is_true("Ready") then
  return { status = "Healthy", message = ready.message }
end
return { status = "Progressing", message = ready.message }
