package kith_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestNoState holds packages to having no state of their own: no init, and no
// package-level variable but those which are set where they are declared and
// never again, such as errors and tables. What a method changes behind a
// pointer, it does not see.
func TestNoState(t *testing.T) {
	fset := token.NewFileSet()
	packages := parse(t, fset)
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
		files := sources(packages[dir])
		// Only names within the package matter: what it imports stays empty,
		// and the complaints about that unheard.
		config := types.Config{Importer: empty{}, Error: func(error) {}}
		pkg, _ := config.Check(module+dir, fset, files, &info)
		for _, f := range packages[dir] {
			if f.test {
				continue
			}
			report := func(pos token.Pos, what string) {
				t.Errorf("%s:%d: %s; packages keep no state (see CONTRIBUTING.md)", f.name, fset.Position(pos).Line, what)
			}
			for _, decl := range f.ast.Decls {
				checkDecl(decl, report)
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				for _, target := range targets(n) {
					if id := root(target); id != nil && info.Uses[id] != nil && info.Uses[id].Parent() == pkg.Scope() {
						report(n.Pos(), "changes the package-level variable "+id.Name)
					}
				}
				return true
			})
		}
	}
}

func sources(files []file) []*ast.File {
	var list []*ast.File
	for _, f := range files {
		if !f.test {
			list = append(list, f.ast)
		}
	}
	return list
}

// checkDecl reports what is wrong with a declaration by itself.
func checkDecl(decl ast.Decl, report func(token.Pos, string)) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.Name == "init" {
			report(d.Pos(), "declares an init function")
		}
	case *ast.GenDecl:
		if d.Tok != token.VAR {
			return
		}
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			embedded := slices.ContainsFunc(comments(d.Doc, v.Doc), func(c string) bool { return strings.HasPrefix(c, "//go:embed ") })
			if len(v.Values) == 0 && !embedded {
				report(v.Pos(), "declares a variable and does not say its value: "+v.Names[0].Name)
			}
			for _, value := range v.Values {
				if call, ok := value.(*ast.CallExpr); ok {
					if made, ok := call.Fun.(*ast.Ident); ok && (made.Name == "make" || made.Name == "new") {
						report(v.Pos(), "declares an empty "+made.Name+": "+v.Names[0].Name)
					}
				}
			}
		}
	}
}

func comments(groups ...*ast.CommentGroup) (lines []string) {
	for _, g := range groups {
		if g != nil {
			for _, c := range g.List {
				lines = append(lines, c.Text)
			}
		}
	}
	return lines
}

// targets returns what a statement or an expression changes, or gives others a
// pointer to change.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		return n.Lhs
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		return []ast.Expr{n.Key, n.Value}
	case *ast.SendStmt:
		return []ast.Expr{n.Chan}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		changes := []string{"delete", "clear", "copy"}
		if f, ok := n.Fun.(*ast.Ident); ok && slices.Contains(changes, f.Name) && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// root returns the variable that an expression is a part of, if any.
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SliceExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return nil
}

// empty imports packages with nothing in them.
type empty struct{}

func (empty) Import(name string) (*types.Package, error) {
	pkg := types.NewPackage(name, path.Base(name))
	pkg.MarkComplete()
	return pkg, nil
}
