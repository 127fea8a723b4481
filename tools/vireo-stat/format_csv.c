// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CSV: one number a line, so that the columns stay the same while VMs, regions
 * and counters come and go.
 */
#include <inttypes.h>
#include <string.h>

#include "format.h"

const char *const source_names[NR_SOURCES] = { "kvm", "vireo" };
const char *const kind_names[NR_OBJECT_KINDS] = { "host", "vm", "vcpu",
						  "region", "queue" };

/* Whose numbers these are: the same cells in each of their lines. */
struct owner {
	double time;
	const struct object *vm; /* or NULL */
	const struct object *object;
};

static void put_text(const char *text, FILE *out)
{
	if (!strpbrk(text, ",\"\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void put_owner(const struct owner *w, FILE *out)
{
	const struct object *o = w->object;

	fprintf(out, "%.3f,", w->time);
	if (w->vm) {
		put_text(w->vm->name, out);
		fprintf(out, ",%ld,", w->vm->pid);
		put_text(w->vm->id, out);
	} else {
		fputs(",,", out);
	}
	fprintf(out, ",%s,", kind_names[o->kind]);
	if (o->kind != OBJECT_HOST && o->kind != OBJECT_VM)
		put_text(o->id, out);
	fputc(',', out);
	/* Of a queue, its device. */
	if (o->kind == OBJECT_REGION || o->kind == OBJECT_QUEUE)
		put_text(o->name, out);
	fputc(',', out);
}

static void put_number(const struct owner *w, const struct number *n, FILE *out)
{
	put_owner(w, out);
	fprintf(out, "%s,", source_names[n->source]);
	put_text(n->name, out);
	fprintf(out, ",,,%" PRIu64 ",", n->value);
	if (n->rated)
		fprintf(out, "%.3f", n->rate);
	fputc('\n', out);
}

static void put_bucket(const struct owner *w, const struct sample *s,
		       const struct histogram *h, const struct bucket *b,
		       FILE *out)
{
	put_owner(w, out);
	fputs("vireo,", out);
	put_text(h->name, out);
	fprintf(out, ",%" PRIu64 ",", b->low);
	if (b->high != NO_END)
		fprintf(out, "%" PRIu64, b->high);
	fprintf(out, ",%" PRIu64 ",", b->count);
	if (h->rated)
		fprintf(out, "%.3f", (double)b->delta / s->interval);
	fputc('\n', out);
}

static void put_object(const struct sample *s, const struct object *vm,
		       const struct object *o, FILE *out)
{
	struct owner w = { .time = s->wall, .vm = vm, .object = o };
	size_t i, j;

	for (i = 0; i < o->nr_numbers; i++)
		put_number(&w, &o->numbers[i], out);
	for (i = 0; i < o->nr_histograms; i++)
		for (j = 0; j < o->histograms[i].nr_buckets; j++)
			put_bucket(&w, s, &o->histograms[i],
				   &o->histograms[i].buckets[j], out);
	for (i = 0; i < o->nr_children; i++) {
		const struct object *child = &o->children[i];

		put_object(s, child->kind == OBJECT_VM ? child : vm, child,
			   out);
	}
}

void format_csv_header(FILE *out)
{
	fputs("time,vm,pid,vm_id,object,id,region,source,name,from_ns,to_ns,"
	      "value,rate\n",
	      out);
}

int format_csv(const struct sample *s, FILE *out)
{
	put_object(s, NULL, &s->host, out);
	return 0;
}
