import { runArgumentsWithLog, type ServiceDefinition, type ServiceScope } from "./service_definition.ts";
import { windowsArgument } from "./windows_argument.ts";
import { xmlText } from "./xml_text.ts";

/** The account for services without rights of their own; known by this number in every language of Windows. */
export const LOCAL_SERVICE_SID = "S-1-5-19";

/**
 * A task of the Windows Task Scheduler (schema 1.4). Pure.
 *
 * A Windows service proper answers the service control manager by calls into Windows itself; a program that does not is
 * ended after 30 seconds (error 1053). The programs cannot, so `sc.exe` would need a wrapper from elsewhere. The Task
 * Scheduler starts any program at boot or logon, restarts it after a failure, and comes with every Windows. Its price:
 * stopping ends the program at once, which its state folder is made for.
 */
export function windowsTask(definition: ServiceDefinition, scope: ServiceScope, userName: string | undefined): string {
  const { description, launch } = definition;
  const args = [...launch.args, ...runArgumentsWithLog(definition)].map(windowsArgument).join(" ");
  const trigger = scope === "system"
    ? "<BootTrigger><Enabled>true</Enabled></BootTrigger>"
    : `<LogonTrigger><Enabled>true</Enabled>${userElement(userName)}</LogonTrigger>`;
  const principal = scope === "system"
    ? `<UserId>${LOCAL_SERVICE_SID}</UserId>`
    : `${userElement(userName)}<LogonType>InteractiveToken</LogonType>`;
  return [
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<Task version="1.4" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    `  <RegistrationInfo><Description>${xmlText(description)}</Description></RegistrationInfo>`,
    `  <Triggers>${trigger}</Triggers>`,
    `  <Principals><Principal id="owner">${principal}<RunLevel>LeastPrivilege</RunLevel></Principal></Principals>`,
    "  <Settings>",
    "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>",
    "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>",
    "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
    // Zero is without end; the default would end it after three days.
    "    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>",
    "    <RestartOnFailure><Interval>PT1M</Interval><Count>255</Count></RestartOnFailure>",
    "    <StartWhenAvailable>true</StartWhenAvailable>",
    "    <Hidden>true</Hidden>",
    "  </Settings>",
    '  <Actions Context="owner">',
    `    <Exec><Command>${xmlText(launch.executable)}</Command><Arguments>${xmlText(args)}</Arguments></Exec>`,
    "  </Actions>",
    "</Task>",
    "",
  ].join("\r\n");
}

function userElement(userName: string | undefined): string {
  return userName === undefined ? "" : `<UserId>${xmlText(userName)}</UserId>`;
}
