// SPDX-License-Identifier: GPL-2.0-or-later
/* `info registers', laid out as QEMU's (the debug registers are left out). */
#include <inttypes.h>
#include <string.h>

#include "../cpu.h"
#include "commands.h"

#define EOL "\r\n"

static void general64(FILE *out, const struct cpu_regs *r)
{
	static const struct {
		const char *name;
		enum cpu_gpr i;
	} order[] = {
		{ "RAX", CPU_RAX }, { "RBX", CPU_RBX }, { "RCX", CPU_RCX },
		{ "RDX", CPU_RDX }, { "RSI", CPU_RSI }, { "RDI", CPU_RDI },
		{ "RBP", CPU_RBP }, { "RSP", CPU_RSP },
	};
	unsigned int i;

	for (i = 0; i < CPU_R8; i++)
		fprintf(out, "%s=%016" PRIx64 "%s", order[i].name,
			r->gpr[order[i].i], i % 4 == 3 ? EOL : " ");
	for (i = CPU_R8; i < CPU_NR_GPRS; i++)
		fprintf(out, "R%-2u=%016" PRIx64 "%s", i, r->gpr[i],
			i % 4 == 3 ? EOL : " ");
	fprintf(out, "RIP=%016" PRIx64 " RFL=%08" PRIx64, r->rip, r->rflags);
}

static void general32(FILE *out, const struct cpu_regs *r)
{
	fprintf(out,
		"EAX=%08x EBX=%08x ECX=%08x EDX=%08x" EOL
		"ESI=%08x EDI=%08x EBP=%08x ESP=%08x" EOL "EIP=%08x EFL=%08x",
		(uint32_t)r->gpr[CPU_RAX], (uint32_t)r->gpr[CPU_RBX],
		(uint32_t)r->gpr[CPU_RCX], (uint32_t)r->gpr[CPU_RDX],
		(uint32_t)r->gpr[CPU_RSI], (uint32_t)r->gpr[CPU_RDI],
		(uint32_t)r->gpr[CPU_RBP], (uint32_t)r->gpr[CPU_RSP],
		(uint32_t)r->rip, (uint32_t)r->rflags);
}

static void flags(FILE *out, const struct cpu_regs *r)
{
	static const struct {
		unsigned int bit;
		char letter;
	} bits[] = { { 10, 'D' }, { 11, 'O' }, { 7, 'S' }, { 6, 'Z' },
		     { 4, 'A' },  { 2, 'P' },  { 0, 'C' } };
	size_t i;

	fputs(" [", out);
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		fputc(r->rflags >> bits[i].bit & 1 ? bits[i].letter : '-', out);
	fprintf(out, "] CPL=%d II=0 A20=1 SMM=0 HLT=%d" EOL,
		r->cr0 & CR0_PE ? r->seg[CPU_SS].attributes >> 5 & 3 : 0,
		r->halted);
}

static void system_state(FILE *out, const struct cpu_regs *r, int width)
{
	static const char *const names[] = { "ES ", "CS ", "SS ", "DS ",
					     "FS ", "GS ", "LDT", "TR " };
	const struct cpu_segment *s;
	unsigned int i;

	for (i = 0; i < CPU_NR_SEGS; i++) {
		s = &r->seg[i];
		/* As the second word of a descriptor has them. */
		fprintf(out, "%s=%04x %0*" PRIx64 " %08x %08x" EOL, names[i],
			s->selector, width, s->base, s->limit,
			(uint32_t)s->attributes << 8);
	}
	fprintf(out, "GDT=     %0*" PRIx64 " %08x" EOL, width, r->gdt.base,
		r->gdt.limit);
	fprintf(out, "IDT=     %0*" PRIx64 " %08x" EOL, width, r->idt.base,
		r->idt.limit);
	fprintf(out,
		"CR0=%08" PRIx64 " CR2=%0*" PRIx64 " CR3=%0*" PRIx64
		" CR4=%08" PRIx64 EOL "EFER=%016" PRIx64 EOL,
		r->cr0, width, r->cr2, width, r->cr3, r->cr4, r->efer);
}

static void vectors(FILE *out, const struct cpu_regs *r, unsigned int nr_xmm)
{
	uint64_t lo, hi;
	unsigned int i;

	fprintf(out, "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x" EOL,
		r->fcw, r->fsw, r->fsw >> 11 & 7, r->ftw, r->mxcsr);
	for (i = 0; i < 8; i++) {
		memcpy(&lo, r->st[i], 8);
		hi = 0;
		memcpy(&hi, r->st[i] + 8, 2);
		fprintf(out, "FPR%u=%016" PRIx64 " %04x%s", i, lo, (unsigned)hi,
			i % 2 ? EOL : " ");
	}
	for (i = 0; i < nr_xmm; i++) {
		memcpy(&lo, r->xmm[i], 8);
		memcpy(&hi, r->xmm[i] + 8, 8);
		fprintf(out, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%s", i, hi,
			lo, i % 2 ? EOL : " ");
	}
}

void hmp_registers(FILE *out, unsigned int vcpu, const struct cpu_regs *r)
{
	bool wide = r->efer & EFER_LMA &&
		    r->seg[CPU_CS].attributes & CPU_SEG_LONG;

	fprintf(out, EOL "CPU#%u" EOL, vcpu);
	if (wide)
		general64(out, r);
	else
		general32(out, r);
	flags(out, r);
	system_state(out, r, wide ? 16 : 8);
	vectors(out, r, wide ? 16 : 8);
}
