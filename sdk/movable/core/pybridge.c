/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "pybridge.h"

#include <limits.h>

#include "schedule.h"
#include "violation.h"

int py_take_gil(void)
{
	return (int)PyGILState_Ensure();
}

void py_release_gil(int state)
{
	PyGILState_Release((PyGILState_STATE)state);
}

/* Takes over the pending exception, with its traceback. */
static PyObject *fetch_exception(void)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (value && traceback)
		PyException_SetTraceback(value, traceback);
	Py_XDECREF(type);
	Py_XDECREF(traceback);
	return value;
}

/* The first one stands: it is raised when the call from Python ends. */
static void keep_interrupt(struct vm *vm, PyObject *exception)
{
	if (vm->interrupt)
		Py_XDECREF(exception);
	else
		vm->interrupt = exception;
}

/* A fatal breach came out of Python code as this exception: its traceback says where that code was. */
static void keep_raised(struct vm *vm, PyObject *exception)
{
	struct violation *last = vm->nr_violations ? &vm->violations[vm->nr_violations - 1] : NULL;

	if (last && !last->exception && PyObject_IsInstance(exception, vm->violation_class) == 1)
		last->exception = exception;
	else
		Py_XDECREF(exception);
}

/*
 * Calls Python with the core's frames hidden (violation.h). NULL if it raised; the exception is pending.
 * Leaves the core if the machine died meanwhile.
 */
static PyObject *call(struct vm *vm, void *function, PyObject *a, PyObject *b, PyObject *c, PyObject *d)
{
	struct entry *top = vm->top;
	PyObject *answer;

	vm->top = NULL;
	/* It may unregister itself. */
	Py_INCREF(function);
	answer = PyObject_CallFunctionObjArgs(function, a, b, c, d, NULL);
	Py_DECREF(function);
	vm->top = top;
	/* Another greenlet may have used another machine meanwhile, or left this one. */
	current_vm = vm;
	if (unlikely(vm->dead)) {
		Py_XDECREF(answer);
		if (!answer)
			keep_raised(vm, fetch_exception());
		vm_die(vm);
	}
	return answer;
}

/* The Page object of a page, borrowed; NULL with the exception kept as an interrupt. */
static PyObject *page_object(struct vm *vm, const struct page *page)
{
	unsigned long pfn = page_to_pfn(vm, page);
	PyObject *number, *object;

	if (likely(vm->page_objects[pfn] != NULL))
		return vm->page_objects[pfn];
	number = PyLong_FromUnsignedLong(pfn);
	object = number ? call(vm, vm->page_factory, number, NULL, NULL, NULL) : NULL;
	Py_XDECREF(number);
	if (!object) {
		keep_interrupt(vm, fetch_exception());
		return NULL;
	}
	vm->page_objects[pfn] = object;
	Py_DECREF(object); /* the machine's table of pages holds on to it */
	return object;
}

/*
 * Files the exception of a driver's callback: one that is no Exception (KeyboardInterrupt, a deadline)
 * stops the call and is passed on; a Violation raised by a call inside the callback is on record already;
 * any other one breaks the contract.
 */
static void file_exception(struct vm *vm, const struct page *page, const char *where, unsigned int before)
{
	PyObject *exception = fetch_exception();

	if (!PyObject_IsInstance(exception, PyExc_Exception)) {
		keep_interrupt(vm, exception);
		return;
	}
	if (vm->nr_violations > before && PyObject_IsInstance(exception, vm->violation_class) == 1) {
		struct violation *v = &vm->violations[before];

		Py_XDECREF(v->exception);
		v->exception = exception;
		return;
	}
	/* Handed over first: under a schedule violation() does not come back. */
	vm->raising = exception;
	violation(vm, VM_RULE_HOOK_RAISED, page, where, "a return value", "an exception");
	Py_CLEAR(vm->raising);
}

static const char *type_name(PyObject *object, char *text, size_t size)
{
	PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
	PyObject *bytes = name ? PyUnicode_AsUTF8String(name) : NULL;

	PyErr_Clear();
	snprintf(text, size, "%s", bytes ? PyBytes_AsString(bytes) : "?");
	Py_XDECREF(bytes);
	Py_XDECREF(name);
	return text;
}

static void bad_type(struct vm *vm, const struct page *page, const char *where, const char *expected,
		     PyObject *answer)
{
	char text[64];

	violation(vm, VM_RULE_HOOK_BAD_TYPE, page, where, expected, "%s",
		  answer == Py_None ? "None" : type_name(answer, text, sizeof(text)));
}

static bool py_isolate_page(struct page *page, isolate_mode_t mode)
{
	struct vm *vm = current_vm;
	const struct py_mapping *mapping = (const void *)vm->callback_mapping;
	unsigned int before = vm->nr_violations;
	PyObject *object = page_object(vm, page), *answer;
	bool isolated;

	if (!object)
		return false;
	answer = call(vm, mapping->isolate_page, object, vm->mode_objects[3 + (mode & 15)], NULL, NULL);
	if (unlikely(!answer)) {
		file_exception(vm, page, "isolate_page", before);
		return false;
	}
	isolated = answer == Py_True;
	if (unlikely(!isolated && answer != Py_False))
		bad_type(vm, page, "isolate_page", "True or False", answer);
	Py_DECREF(answer);
	return isolated;
}

/* The integer that migratepage answered; anything else is a violation and counts as -EIO. */
static int migrate_answer(struct vm *vm, const struct page *page, PyObject *answer)
{
	int overflow;
	long value;

	if (unlikely(!PyLong_Check(answer) || PyBool_Check(answer))) {
		bad_type(vm, page, "migratepage", "0 or a negative errno", answer);
		return -EIO;
	}
	value = PyLong_AsLongAndOverflow(answer, &overflow);
	if (unlikely(overflow > 0 || value > INT_MAX)) {
		violation(vm, VM_RULE_HOOK_POSITIVE, page, "migratepage", "0 or a negative errno", "more than %d", INT_MAX);
		return -EIO;
	}
	if (unlikely(overflow || value < -4095)) {
		violation(vm, VM_RULE_HOOK_UNKNOWN_ERRNO, page, "migratepage", "an errno, -1 to -4095",
			  overflow ? "less than %ld" : "%ld", overflow ? LONG_MIN : value);
		return -EIO;
	}
	return (int)value;
}

static int py_migratepage(struct address_space *as, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct vm *vm = current_vm;
	const struct py_mapping *mapping = (const void *)as;
	unsigned int before = vm->nr_violations;
	PyObject *new = page_object(vm, newpage), *old = page_object(vm, page), *answer;
	int rc;

	if (!new || !old)
		return -EINTR;
	answer = call(vm, mapping->migratepage, as->owner, new, old, vm->mode_objects[mode]);
	if (unlikely(!answer)) {
		file_exception(vm, page, "migratepage", before);
		return -EIO;
	}
	rc = migrate_answer(vm, page, answer);
	Py_DECREF(answer);
	return rc;
}

static void py_putback_page(struct page *page)
{
	struct vm *vm = current_vm;
	const struct py_mapping *mapping = (const void *)vm->callback_mapping;
	unsigned int before = vm->nr_violations;
	PyObject *object = page_object(vm, page), *answer;

	if (!object)
		return;
	answer = call(vm, mapping->putback_page, object, NULL, NULL, NULL);
	if (unlikely(!answer)) {
		file_exception(vm, page, "putback_page", before);
		return;
	}
	if (unlikely(answer != Py_None))
		bad_type(vm, page, "putback_page", "None", answer);
	Py_DECREF(answer);
}

const struct address_space_operations py_mapping_ops = {
	.isolate_page = py_isolate_page,
	.migratepage = py_migratepage,
	.putback_page = py_putback_page,
};

/* `function(page)` for the caller's own functions: what they raise stops the call and is passed on. */
static PyObject *call_with_page(struct vm *vm, void *function, const struct page *page)
{
	PyObject *object = page_object(vm, page);
	PyObject *answer = object ? call(vm, function, object, NULL, NULL, NULL) : NULL;

	if (object && !answer)
		keep_interrupt(vm, fetch_exception());
	return answer;
}

struct page *py_new_page(struct vm *vm, struct page *page, unsigned long private, int **result)
{
	const struct py_target *target = (const void *)private;
	PyObject *answer = call_with_page(vm, target->get, page);
	long pfn;

	(void)result;
	if (!answer)
		return NULL;
	/* The Python side has checked the page and answers with its pfn, or -1 for none. */
	pfn = PyLong_AsLong(answer);
	Py_DECREF(answer);
	return pfn >= 0 ? pfn_to_page(vm, (unsigned long)pfn) : NULL;
}

void py_free_page(struct vm *vm, struct page *page, unsigned long private)
{
	const struct py_target *target = (const void *)private;
	PyObject *answer = call_with_page(vm, target->put, page);

	Py_XDECREF(answer);
}

bool py_wait_on_page(struct vm *vm, struct page *page)
{
	PyObject *answer;

	if (!vm->wait_hook)
		return false;
	answer = call_with_page(vm, vm->wait_hook, page);
	Py_XDECREF(answer);
	return answer != NULL;
}

unsigned long py_out_of_memory(struct vm *vm)
{
	PyObject *answer;
	unsigned long freed;

	if (!vm->oom_notifier)
		return 0;
	answer = call(vm, vm->oom_notifier, NULL, NULL, NULL, NULL);
	freed = answer ? PyLong_AsUnsignedLong(answer) : 0;
	Py_XDECREF(answer);
	if (PyErr_Occurred()) {
		keep_interrupt(vm, fetch_exception());
		return 0;
	}
	return freed;
}

void py_switch(struct vm *vm, int cpu)
{
	int gil = py_take_gil();
	struct entry *top = vm->top;
	PyObject *answer = NULL;

	vm->top = NULL;
	if (!PyObject_SetAttr(vm->sched->machine, vm->sched->attribute, vm->sched->numbers[cpu]))
		answer = PyObject_CallFunctionObjArgs(vm->sched->switch_to[cpu], NULL);
	vm->top = top;
	current_vm = vm;
	/* Something was thrown into the CPU that waited here: its run is over. */
	if (unlikely(!answer)) {
		keep_interrupt(vm, fetch_exception());
		vm_stop(vm);
	}
	Py_XDECREF(answer);
	py_release_gil(gil);
}

void py_list_exceptions(struct vm *vm, void *list)
{
	int gil = py_take_gil();

	for (unsigned int i = 0; i < vm->nr_violations; i++)
		PyList_Append(list, vm->violations[i].exception ? vm->violations[i].exception : Py_None);
	PyList_Append(list, vm->interrupt ? vm->interrupt : Py_None);
	py_release_gil(gil);
}

void py_drop_errors(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_violations; i++)
		Py_XDECREF(vm->violations[i].exception);
	vm->nr_violations = 0;
	Py_XDECREF(vm->interrupt);
	vm->interrupt = NULL;
}
