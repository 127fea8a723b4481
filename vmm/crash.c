// SPDX-License-Identifier: GPL-2.0-or-later
#include "crash.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cpu.h"
#include "log.h"
#include "paging.h"
#include "text.h"
#include "vcpu.h"
#include "vm.h"

/* How much code is shown before RIP and from it on. */
#define CODE_BEFORE 16
#define CODE_AFTER 24

static void add_general(struct text *t, const struct cpu_regs *r)
{
	/* As people look for them, four on a line. */
	static const struct {
		const char *name;
		unsigned int i;
	} order[CPU_NR_GPRS] = {
		{ "rax", CPU_RAX },    { "rbx", CPU_RBX },
		{ "rcx", CPU_RCX },    { "rdx", CPU_RDX },
		{ "rsi", CPU_RSI },    { "rdi", CPU_RDI },
		{ "rbp", CPU_RBP },    { "rsp", CPU_RSP },
		{ "r8 ", CPU_R8 },     { "r9 ", CPU_R8 + 1 },
		{ "r10", CPU_R8 + 2 }, { "r11", CPU_R8 + 3 },
		{ "r12", CPU_R8 + 4 }, { "r13", CPU_R8 + 5 },
		{ "r14", CPU_R8 + 6 }, { "r15", CPU_R8 + 7 },
	};
	unsigned int i;

	for (i = 0; i < CPU_NR_GPRS; i++)
		text_add(t, "%s %016" PRIx64 "%s", order[i].name,
			 r->gpr[order[i].i], i % 4 == 3 ? "\n" : " ");
	text_add(t, "rip %016" PRIx64 " rflags %08" PRIx64 "%s\n", r->rip,
		 r->rflags,
		 r->halted ? " (halted)" :
		 r->waits  ? " (waits to be started)" :
			     "");
}

static void add_system(struct text *t, const struct cpu_regs *r)
{
	static const char *const names[CPU_NR_SEGS] = {
		"es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr",
	};
	const struct cpu_segment *s;
	unsigned int i;

	for (i = 0; i < CPU_NR_SEGS; i++) {
		s = &r->seg[i];
		text_add(t,
			 "%-3s %04x base %016" PRIx64
			 " limit %08x attr %04x%s\n",
			 names[i], s->selector, s->base, s->limit,
			 s->attributes, s->unusable ? " (unusable)" : "");
	}
	text_add(t, "gdt base %016" PRIx64 " limit %04x\n", r->gdt.base,
		 r->gdt.limit);
	text_add(t, "idt base %016" PRIx64 " limit %04x\n", r->idt.base,
		 r->idt.limit);
	text_add(t,
		 "cr0 %08" PRIx64 " cr2 %016" PRIx64 " cr3 %016" PRIx64
		 " cr4 %08" PRIx64 " cr8 %" PRIx64 "\n",
		 r->cr0, r->cr2, r->cr3, r->cr4, r->cr8);
	text_add(t, "efer %04" PRIx64 " kernel_gs_base %016" PRIx64 "\n",
		 r->efer, r->kernel_gs_base);
}

/* The byte at RIP in <>, what is not there as ??. */
static void add_code(struct text *t, const struct cpu_regs *r,
		     const struct mem *mem)
{
	bool flat = r->efer & EFER_LMA &&
		    r->seg[CPU_CS].attributes & CPU_SEG_LONG;
	uint64_t rip = r->rip + (flat ? 0 : r->seg[CPU_CS].base);
	uint8_t byte;
	int i;

	text_add(t, "code");
	for (i = -CODE_BEFORE; i < CODE_AFTER; i++) {
		if (paging_read(mem, r, rip + (uint64_t)(int64_t)i, &byte, 1))
			text_add(t, i ? " %02x" : " <%02x>", byte);
		else
			text_add(t, i ? " %s" : " <%s>", "??");
	}
	text_add(t, "\n");
}

void cpu_describe(const struct cpu_regs *regs, const struct mem *mem,
		  char buf[CPU_TEXT_MAX])
{
	struct text t;

	text_init(&t, buf, CPU_TEXT_MAX);
	add_general(&t, regs);
	add_system(&t, regs);
	add_code(&t, regs, mem);
}

/* Each line as one of the log. */
static void log_lines(const char *who, char *text)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_error(who, "%s", line);
}

void crash_report(struct vm *vm, unsigned int vcpu)
{
	const struct accel_ops *ops = vm->accel->ops;
	struct accel_vcpu *accel = vm->vcpus[vcpu].accel;
	char text[CPU_TEXT_MAX], who[16];
	struct cpu_regs regs;

	snprintf(who, sizeof(who), "vCPU %u", vcpu);
	ops->describe_exit(accel, text, sizeof(text));
	log_lines(who, text);
	if (ops->get_regs(accel, &regs)) {
		log_error(who, "its registers cannot be read");
		return;
	}
	cpu_describe(&regs, &vm->mem, text);
	log_lines(who, text);
	/* So KVM treats a triple fault on AMD's processors. */
	if (regs.rip == 0xfff0 && regs.seg[CPU_CS].base == 0xffff0000)
		log_error(who, "KVM has reset this vCPU: "
			       "what it held at the fault is lost");
}
