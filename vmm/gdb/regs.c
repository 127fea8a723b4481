// SPDX-License-Identifier: GPL-2.0-or-later
#include "regs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu.h"
#include "../text.h"

struct reg {
	const char *name;
	const char *type;
	const char *group; /* or NULL */
	uint16_t offset;   /* in struct cpu_regs */
	uint8_t have;	   /* bytes there */
	uint8_t size;	   /* bytes as GDB wants them, zeros above */
	bool fixed;
	bool tags; /* the x87 tag word, two bits of which are one here */
};

struct feature {
	const char *name;
	const char *types;
	const struct reg *regs;
	unsigned int nr_regs;
};

#define AT(member) offsetof(struct cpu_regs, member)
#define GPR(n, i, t)                                              \
	{                                                         \
		n, t, NULL, AT(gpr) + 8 * (i), 8, 8, false, false \
	}
#define SEL(n, i)                                                        \
	{                                                                \
		n, "int32", NULL, AT(seg[i].selector), 2, 4, true, false \
	}
#define ST(n)                                                              \
	{                                                                  \
		"st" #n, "i387_ext", NULL, AT(st[n]), 10, 10, false, false \
	}
#define X87(n, member, bytes, fixed_)                                  \
	{                                                              \
		n, "int", "float", AT(member), bytes, 4, fixed_, false \
	}
#define XMM(n)                                                             \
	{                                                                  \
		"xmm" #n, "vec128", NULL, AT(xmm[n]), 16, 16, false, false \
	}
#define QWORD(n, member)                                             \
	{                                                            \
		n, "int64", "system", AT(member), 8, 8, false, false \
	}

/* The names and the order of GDB's own descriptions. */
static const struct reg core[] = {
	GPR("rax", CPU_RAX, "int64"),
	GPR("rbx", CPU_RBX, "int64"),
	GPR("rcx", CPU_RCX, "int64"),
	GPR("rdx", CPU_RDX, "int64"),
	GPR("rsi", CPU_RSI, "int64"),
	GPR("rdi", CPU_RDI, "int64"),
	GPR("rbp", CPU_RBP, "data_ptr"),
	GPR("rsp", CPU_RSP, "data_ptr"),
	GPR("r8", CPU_R8, "int64"),
	GPR("r9", CPU_R8 + 1, "int64"),
	GPR("r10", CPU_R8 + 2, "int64"),
	GPR("r11", CPU_R8 + 3, "int64"),
	GPR("r12", CPU_R8 + 4, "int64"),
	GPR("r13", CPU_R8 + 5, "int64"),
	GPR("r14", CPU_R8 + 6, "int64"),
	GPR("r15", CPU_R8 + 7, "int64"),
	{ "rip", "code_ptr", NULL, AT(rip), 8, 8, false, false },
	{ "eflags", "i386_eflags", NULL, AT(rflags), 4, 4, false, false },
	SEL("cs", CPU_CS),
	SEL("ss", CPU_SS),
	SEL("ds", CPU_DS),
	SEL("es", CPU_ES),
	SEL("fs", CPU_FS),
	SEL("gs", CPU_GS),
	ST(0),
	ST(1),
	ST(2),
	ST(3),
	ST(4),
	ST(5),
	ST(6),
	ST(7),
	X87("fctrl", fcw, 2, false),
	X87("fstat", fsw, 2, false),
	{ "ftag", "int", "float", AT(ftw), 1, 4, false, true },
	/* What FXSAVE keeps as 64-bit addresses has the old halves' names. */
	{ "fiseg", "int", "float", AT(fip) + 4, 4, 4, true, false },
	X87("fioff", fip, 4, true),
	{ "foseg", "int", "float", AT(fdp) + 4, 4, 4, true, false },
	X87("fooff", fdp, 4, true),
	X87("fop", fop, 2, true),
};

static const struct reg sse[] = {
	XMM(0),
	XMM(1),
	XMM(2),
	XMM(3),
	XMM(4),
	XMM(5),
	XMM(6),
	XMM(7),
	XMM(8),
	XMM(9),
	XMM(10),
	XMM(11),
	XMM(12),
	XMM(13),
	XMM(14),
	XMM(15),
	{ "mxcsr", "i386_mxcsr", "vector", AT(mxcsr), 4, 4, false, false },
};

static const struct reg segments[] = {
	{ "fs_base", "int64", NULL, AT(seg[CPU_FS].base), 8, 8, false, false },
	{ "gs_base", "int64", NULL, AT(seg[CPU_GS].base), 8, 8, false, false },
};

/* GDB has no feature for these and shows them as it finds them. */
static const struct reg control[] = {
	QWORD("k_gs_base", kernel_gs_base),
	QWORD("cr0", cr0),
	QWORD("cr2", cr2),
	QWORD("cr3", cr3),
	QWORD("cr4", cr4),
	QWORD("cr8", cr8),
	QWORD("efer", efer),
};

static const char core_types[] = "<flags id=\"i386_eflags\" size=\"4\">"
				 "<field name=\"\" start=\"22\" end=\"31\"/>"
				 "<field name=\"CF\" start=\"0\" end=\"0\"/>"
				 "<field name=\"\" start=\"1\" end=\"1\"/>"
				 "<field name=\"PF\" start=\"2\" end=\"2\"/>"
				 "<field name=\"AF\" start=\"4\" end=\"4\"/>"
				 "<field name=\"ZF\" start=\"6\" end=\"6\"/>"
				 "<field name=\"SF\" start=\"7\" end=\"7\"/>"
				 "<field name=\"TF\" start=\"8\" end=\"8\"/>"
				 "<field name=\"IF\" start=\"9\" end=\"9\"/>"
				 "<field name=\"DF\" start=\"10\" end=\"10\"/>"
				 "<field name=\"OF\" start=\"11\" end=\"11\"/>"
				 "<field name=\"NT\" start=\"14\" end=\"14\"/>"
				 "<field name=\"RF\" start=\"16\" end=\"16\"/>"
				 "<field name=\"VM\" start=\"17\" end=\"17\"/>"
				 "<field name=\"AC\" start=\"18\" end=\"18\"/>"
				 "<field name=\"VIF\" start=\"19\" end=\"19\"/>"
				 "<field name=\"VIP\" start=\"20\" end=\"20\"/>"
				 "<field name=\"ID\" start=\"21\" end=\"21\"/>"
				 "</flags>";

static const char sse_types[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	"<union id=\"vec128\">"
	"<field name=\"v4_float\" type=\"v4f\"/>"
	"<field name=\"v2_double\" type=\"v2d\"/>"
	"<field name=\"v16_int8\" type=\"v16i8\"/>"
	"<field name=\"v8_int16\" type=\"v8i16\"/>"
	"<field name=\"v4_int32\" type=\"v4i32\"/>"
	"<field name=\"v2_int64\" type=\"v2i64\"/>"
	"<field name=\"uint128\" type=\"uint128\"/>"
	"</union>"
	"<flags id=\"i386_mxcsr\" size=\"4\">"
	"<field name=\"IE\" start=\"0\" end=\"0\"/>"
	"<field name=\"DE\" start=\"1\" end=\"1\"/>"
	"<field name=\"ZE\" start=\"2\" end=\"2\"/>"
	"<field name=\"OE\" start=\"3\" end=\"3\"/>"
	"<field name=\"UE\" start=\"4\" end=\"4\"/>"
	"<field name=\"PE\" start=\"5\" end=\"5\"/>"
	"<field name=\"DAZ\" start=\"6\" end=\"6\"/>"
	"<field name=\"IM\" start=\"7\" end=\"7\"/>"
	"<field name=\"DM\" start=\"8\" end=\"8\"/>"
	"<field name=\"ZM\" start=\"9\" end=\"9\"/>"
	"<field name=\"OM\" start=\"10\" end=\"10\"/>"
	"<field name=\"UM\" start=\"11\" end=\"11\"/>"
	"<field name=\"PM\" start=\"12\" end=\"12\"/>"
	"<field name=\"FZ\" start=\"15\" end=\"15\"/>"
	"</flags>";

#define REGS(table) table, sizeof(table) / sizeof((table)[0])

static const struct feature features[] = {
	{ "org.gnu.gdb.i386.core", core_types, REGS(core) },
	{ "org.gnu.gdb.i386.sse", sse_types, REGS(sse) },
	{ "org.gnu.gdb.i386.segments", "", REGS(segments) },
	{ "org.vireo.x86.system", "", REGS(control) },
};

#define NR_FEATURES (sizeof(features) / sizeof(features[0]))

static const struct reg *find(unsigned int n)
{
	const struct feature *f = features;

	while (n >= f->nr_regs) {
		n -= f->nr_regs;
		f++;
	}
	return &f->regs[n];
}

unsigned int gdb_nr_regs(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_FEATURES; i++)
		n += features[i].nr_regs;
	return n;
}

size_t gdb_reg_size(unsigned int n)
{
	return find(n)->size;
}

/* GDB's tags: 3 for a register that is empty, 0 for one that is not. */
static uint16_t long_tags(uint8_t tags)
{
	uint16_t val = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		val |= (uint16_t)((tags & 1U << i ? 0U : 3U) << i * 2);
	return val;
}

static uint8_t short_tags(uint16_t tags)
{
	uint8_t val = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		val |= (uint8_t)(((tags >> i * 2 & 3) != 3) << i);
	return val;
}

void gdb_reg_get(const struct cpu_regs *regs, unsigned int n,
		 uint8_t buf[GDB_REG_MAX])
{
	const struct reg *r = find(n);
	uint16_t tags;

	memset(buf, 0, GDB_REG_MAX);
	memcpy(buf, (const uint8_t *)regs + r->offset, r->have);
	if (r->tags) {
		tags = long_tags(buf[0]);
		memcpy(buf, &tags, sizeof(tags));
	}
}

int gdb_reg_set(struct cpu_regs *regs, unsigned int n,
		const uint8_t buf[GDB_REG_MAX])
{
	const struct reg *r = find(n);
	uint8_t *p = (uint8_t *)regs + r->offset;
	uint16_t tags;

	if (r->tags) {
		memcpy(&tags, buf, sizeof(tags));
		*p = short_tags(tags);
		return 0;
	}
	if (r->fixed)
		return memcmp(p, buf, r->have) ? -EPERM : 0;
	memcpy(p, buf, r->have);
	return 0;
}

#define XML_MAX 16384

char *gdb_target_xml(void)
{
	const struct feature *f;
	const struct reg *r;
	struct text t;
	char *buf;

	buf = malloc(XML_MAX);
	if (!buf)
		return NULL;
	text_init(&t, buf, XML_MAX);
	text_add(&t, "<?xml version=\"1.0\"?>\n"
		     "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
		     "<architecture>i386:x86-64</architecture>\n");
	for (f = features; f < features + NR_FEATURES; f++) {
		text_add(&t, "<feature name=\"%s\">\n%s\n", f->name, f->types);
		for (r = f->regs; r < f->regs + f->nr_regs; r++) {
			text_add(&t,
				 "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"",
				 r->name, r->size * 8U, r->type);
			if (r->group)
				text_add(&t, " group=\"%s\"", r->group);
			text_add(&t, "/>\n");
		}
		text_add(&t, "</feature>\n");
	}
	text_add(&t, "</target>\n");
	return buf;
}
