// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * human-monitor-command: the few lines that people, and programs made for
 * them, still ask for.  Texts and mistakes are told in QEMU's words.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../config.h"
#include "../cpu.h"
#include "../device/pci.h"
#include "../vcpu.h"
#include "commands.h"
#include "server.h"

struct text {
	struct qmp_call *call;
	FILE *out;
	unsigned int vcpu; /* the current one */
	bool all;	   /* -a was given: all of them */
	char *words;	   /* what follows a command that takes words */
};

static void line(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void line(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(t->out, fmt, ap);
	va_end(ap);
	fputs("\r\n", t->out);
}

static struct vm *vm_of(const struct text *t)
{
	return t->call->control->vm;
}

static void info_status(struct text *t)
{
	switch (vm_of(t)->state) {
	case VM_RUNNING:
		line(t, "VM status: running");
		break;
	case VM_PRELAUNCH:
		line(t, "VM status: paused (prelaunch)");
		break;
	default:
		line(t, "VM status: paused%s",
		     vm_of(t)->crashed ? " (guest-panicked)" : "");
	}
}

static void info_version(struct text *t)
{
	line(t, "7.2.0vireo " VIREO_VERSION);
}

static void info_name(struct text *t)
{
	line(t, "%s", vm_of(t)->cfg->name);
}

static void info_uuid(struct text *t)
{
	const char *uuid = vm_of(t)->cfg->uuid;

	line(t, "%s", uuid ? uuid : CONFIG_NO_UUID);
}

static void info_kvm(struct text *t)
{
	line(t, "kvm support: enabled");
}

static void info_cpus(struct text *t)
{
	struct vm *vm = vm_of(t);
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->nr_vcpus; i++)
		line(t, "%c CPU #%u: thread_id=%d", i ? ' ' : '*', i,
		     vm->vcpus[i].tid);
	pthread_mutex_unlock(&vm->lock);
}

static const char *str(json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static long long num(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void info_block(struct text *t)
{
	json_t *args = json_object(), *list = cmd_query_block(t->call, args);
	json_t *b, *inserted;
	size_t i;

	json_array_foreach(list, i, b) {
		inserted = json_object_get(b, "inserted");
		if (i)
			line(t, "%s", "");
		if (!inserted) {
			line(t, "%s: [not inserted]", str(b, "device"));
			line(t, "    Attached to:      %s", str(b, "qdev"));
			continue;
		}
		line(t, "%s (%s): %s (raw%s)", str(b, "device"),
		     str(inserted, "node-name"), str(inserted, "file"),
		     json_is_true(json_object_get(inserted, "ro")) ?
			     ", read-only" :
			     "");
		line(t, "    Attached to:      %s", str(b, "qdev"));
		line(t, "    Cache mode:       writeback");
	}
	json_decref(list);
	json_decref(args);
}

static void info_chardev(struct text *t)
{
	json_t *args = json_object(), *list = cmd_query_chardev(t->call, args);
	json_t *c;
	size_t i;

	json_array_foreach(list, i, c) {
		line(t, "%s: filename=%s", str(c, "label"), str(c, "filename"));
	}
	json_decref(list);
	json_decref(args);
}

static void info_pci_function(struct text *t, json_t *f)
{
	json_t *class = json_object_get(f, "class_info");
	json_t *id = json_object_get(f, "id"), *r;
	unsigned long long base, size;
	size_t i;

	line(t, "  Bus %2lld, device %3lld, function %lld:", num(f, "bus"),
	     num(f, "slot"), num(f, "function"));
	if (*str(class, "desc"))
		line(t, "    %s: PCI device %04llx:%04llx", str(class, "desc"),
		     num(id, "vendor"), num(id, "device"));
	else
		line(t, "    Class %04lld: PCI device %04llx:%04llx",
		     num(class, "class"), num(id, "vendor"), num(id, "device"));
	line(t, "      PCI subsystem %04llx:%04llx",
	     num(id, "subsystem-vendor"), num(id, "subsystem"));
	if (num(f, "irq_pin"))
		line(t, "      IRQ %lld, pin %c", num(f, "irq"),
		     (int)('A' + num(f, "irq_pin") - 1));
	json_array_foreach(json_object_get(f, "regions"), i, r) {
		base = (unsigned long long)num(r, "address");
		size = (unsigned long long)num(r, "size");
		if (!strcmp(str(r, "type"), "io"))
			line(t, "      BAR%lld: I/O at 0x%04llx [0x%04llx].",
			     num(r, "bar"), base, base + size - 1);
		else
			line(t,
			     "      BAR%lld: %d bit%s memory at 0x%08llx [0x%08llx].",
			     num(r, "bar"),
			     json_is_true(json_object_get(r, "mem_type_64")) ?
				     64 :
				     32,
			     json_is_true(json_object_get(r, "prefetch")) ?
				     " prefetchable" :
				     "",
			     base, base + size - 1);
	}
	line(t, "      id \"%s\"", str(f, "qdev_id"));
}

static void info_pci(struct text *t)
{
	json_t *args = json_object(), *list = cmd_query_pci(t->call, args), *f;
	json_t *bus = json_array_get(list, 0);
	size_t i;

	json_array_foreach(json_object_get(bus, "devices"), i, f) {
		info_pci_function(t, f);
	}
	json_decref(list);
	json_decref(args);
}

static void show_bus(struct text *t, struct bus *bus)
{
	const struct bus_slot *slot;

	pthread_mutex_lock(&bus->change);
	for (slot = bus->slots; slot < bus->slots + bus->count; slot++)
		line(t, "    %016llx-%016llx (prio 0, i/o): %s",
		     (unsigned long long)slot->base,
		     (unsigned long long)slot->last, slot->range->name);
	pthread_mutex_unlock(&bus->change);
}

static void info_mtree(struct text *t)
{
	struct vm *vm = vm_of(t);
	const struct mem_block *b;

	line(t, "address-space: I/O");
	line(t, "  0000000000000000-000000000000ffff (prio 0, i/o): io");
	show_bus(t, &vm->pio);
	line(t, "%s", "");
	line(t, "address-space: memory");
	line(t, "  0000000000000000-ffffffffffffffff (prio 0, i/o): system");
	for (b = vm->mem.blocks; b < vm->mem.blocks + vm->mem.nr_blocks; b++)
		line(t, "    %016llx-%016llx (prio 0, ram): ram",
		     (unsigned long long)b->gpa,
		     (unsigned long long)(b->gpa + b->len - 1));
	show_bus(t, &vm->mmio);
}

/* vCPUs that run are held for as long as it takes. */
static void info_registers(struct text *t)
{
	struct vm *vm = vm_of(t);
	struct cpu_regs regs;
	unsigned int i;

	vcpus_park(vm);
	for (i = t->all ? 0 : t->vcpu; i < vm->nr_vcpus; i++) {
		if (vm->accel->ops->get_regs(vm->vcpus[i].accel, &regs))
			line(t, "CPU#%u: its registers cannot be read", i);
		else
			hmp_registers(t->out, i, &regs);
		if (!t->all)
			break;
	}
	/* One that has just met the debugger stays where it is. */
	if (vm->state == VM_RUNNING && !vcpus_hit(vm))
		vcpus_run(vm);
}

static void help_info(struct text *t);
static void help(struct text *t);

static void do_stop(struct text *t)
{
	vm_pause(vm_of(t));
}

static void do_cont(struct text *t)
{
	vm_resume(vm_of(t));
}

static void do_reset(struct text *t)
{
	vm_request_by(vm_of(t), VM_REQ_RESET, VM_BY_QMP);
}

static void do_powerdown(struct text *t)
{
	vm_power_button(vm_of(t));
}

static void do_quit(struct text *t)
{
	vm_request_by(vm_of(t), VM_REQ_STOP, VM_BY_QMP);
}

/* Executes one by QMP, and tells what was wrong.  Takes @args. */
static void by_qmp(struct text *t,
		   json_t *(*run)(struct qmp_call *call, json_t *args),
		   json_t *args)
{
	json_decref(run(t->call, args));
	json_decref(args);
	if (!t->call->error)
		return;
	line(t, "Error: %s", str(t->call->error, "desc"));
	json_decref(t->call->error);
	t->call->error = NULL;
}

/* The next of t->words, or NULL. */
static char *next_word(struct text *t)
{
	return t->words ? strtok_r(NULL, " \t", &t->words) : NULL;
}

/* -f and a drive; NULL after it has said that there is none. */
static json_t *drive_args(struct text *t)
{
	char *word = next_word(t);
	bool force = word && !strcmp(word, "-f");

	if (force)
		word = next_word(t);
	if (!word) {
		line(t, "parameter 'device' is missing");
		return NULL;
	}
	return json_pack("{s:o,s:b}", "device", qmp_text(word), "force", force);
}

static void do_eject(struct text *t)
{
	json_t *args = drive_args(t);

	if (args)
		by_qmp(t, cmd_eject, args);
}

static void do_change(struct text *t)
{
	json_t *args = drive_args(t);
	char *file = args ? next_word(t) : NULL;

	if (!args)
		return;
	if (!file) {
		line(t, "parameter 'target' is missing");
		json_decref(args);
		return;
	}
	json_object_set_new(args, "filename", qmp_text(file));
	by_qmp(t, cmd_change_medium, args);
}

struct command {
	const char *name; /* "stop|s" */
	void (*run)(struct text *t);
	const char *help;
};

static const struct command info_commands[] = {
	{ "block", info_block, "show info of all block devices" },
	{ "chardev", info_chardev, "show the character devices" },
	{ "cpus", info_cpus, "show infos for each CPU" },
	{ "kvm", info_kvm, "show KVM information" },
	{ "mtree", info_mtree, "show memory tree" },
	{ "name", info_name, "show the current VM name" },
	{ "pci", info_pci, "show PCI info" },
	{ "registers", info_registers,
	  "[-a] show the cpu registers (-a: of all vCPUs)" },
	{ "status", info_status,
	  "show the current VM status (running|paused)" },
	{ "uuid", info_uuid, "show the current VM UUID" },
	{ "version", info_version, "show the version of QEMU" },
	{ 0 },
};

static const struct command commands[] = {
	{ "change", do_change,
	  "[-f] device filename -- change a removable medium" },
	{ "cont|c", do_cont, "resume emulation" },
	{ "eject", do_eject,
	  "[-f] device -- eject a removable medium (use -f to force it)" },
	{ "help|?", help, "show the help" },
	{ "info", help_info,
	  "show various information about the system state" },
	{ "quit|q", do_quit, "quit the emulator" },
	{ "stop|s", do_stop, "stop emulation" },
	{ "system_powerdown", do_powerdown, "send system power down event" },
	{ "system_reset", do_reset, "reset the system" },
	{ 0 },
};

static void list(struct text *t, const char *prefix, const struct command *c)
{
	for (; c->name; c++)
		line(t, "%s%s  -- %s", prefix, c->name, c->help);
}

static void help_info(struct text *t)
{
	list(t, "info ", info_commands);
}

static void help(struct text *t)
{
	list(t, "", commands);
}

static const struct command *find(const struct command *table, const char *name)
{
	size_t len = strlen(name), n;
	const char *p;

	for (; table->name; table++)
		for (p = table->name; *p; p += n + (p[n] == '|')) {
			n = strcspn(p, "|");
			if (n == len && !strncmp(p, name, n))
				return table;
		}
	return NULL;
}

static void execute(struct text *t, char *text)
{
	char *save, *name = strtok_r(text, " \t", &save), *sub, *extra;
	const struct command *c;

	if (!name)
		return;
	c = find(commands, name);
	if (!c) {
		line(t, "unknown command: '%s'", name);
		return;
	}
	if (c->run == do_eject || c->run == do_change) {
		t->words = save;
		c->run(t);
		return;
	}
	sub = strtok_r(NULL, " \t", &save);
	if (c->run == help_info && sub) {
		c = find(info_commands, sub);
		if (!c) {
			line(t, "unknown command: 'info %s'", sub);
			return;
		}
		sub = strtok_r(NULL, " \t", &save);
	} else if (c->run == help && sub && !strcmp(sub, "info")) {
		c = find(commands, "info");
		sub = NULL;
	}
	if (c->run == info_registers && sub && !strcmp(sub, "-a")) {
		t->all = true;
		sub = strtok_r(NULL, " \t", &save);
	}
	extra = sub;
	if (extra) {
		line(t, "%s: extraneous characters at the end of line",
		     c->name);
		line(t, "Try \"help %s\" for more information", name);
		return;
	}
	c->run(t);
}

json_t *cmd_human(struct qmp_call *call, json_t *args)
{
	const char *given =
		json_string_value(json_object_get(args, "command-line"));
	json_int_t vcpu =
		json_integer_value(json_object_get(args, "cpu-index"));
	struct text t = { .call = call, .vcpu = (unsigned int)vcpu };
	char *copy = strdup(given), *out = NULL;
	json_t *result = NULL;
	size_t size;

	if (vcpu < 0 || vcpu >= call->control->vm->nr_vcpus) {
		free(copy);
		return qmp_fail(call, "GenericError",
				"Parameter 'cpu-index' expects a CPU number");
	}
	if (copy)
		t.out = open_memstream(&out, &size);
	if (t.out) {
		execute(&t, copy);
		if (!fclose(t.out))
			result = qmp_text(out);
	}
	free(out);
	free(copy);
	return result;
}
